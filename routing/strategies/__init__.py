"""The strategies that come with the product, one file each; none imports another."""

from routing.strategies.fewest_calls import FewestCalls
from routing.strategies.least_talk_time import LeastTalkTime
from routing.strategies.linear import Linear
from routing.strategies.longest_idle import LongestIdle
from routing.strategies.random_choice import RandomChoice
from routing.strategies.ring_all import RingAll
from routing.strategies.round_robin import RoundRobin
from routing.strategies.skill_priority import SkillPriority
from routing.strategies.sticky import StickyToLastManager
from routing.strategies.weighted import Weighted
from routing.strategy import Strategy

BUILTIN: tuple[type[Strategy], ...] = (
    FewestCalls,
    LeastTalkTime,
    Linear,
    LongestIdle,
    RandomChoice,
    RingAll,
    RoundRobin,
    SkillPriority,
    StickyToLastManager,
    Weighted,
)
