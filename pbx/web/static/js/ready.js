// What works by a script alone is seen when the script has come: a press before it would be lost.
// Elements of the class `scripted` (app.css); a page's script calls this when all of it is in place.

export function ready(filters = null) {
  document.documentElement.dataset.ready = "";
  // A choice that was made before the script came is made now.
  for (const select of filters?.querySelectorAll("select") ?? []) {
    const options = [...select.options];
    const told = options.find((one) => one.defaultSelected) ?? options[0];
    if (select.value === told?.value) continue;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    return;
  }
}
