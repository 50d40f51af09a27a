from routing.strategy import Registry


def default_registry() -> Registry:
    return Registry()
