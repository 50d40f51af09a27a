// A new token, into the clipboard.

import { ready } from "./ready.js";

const button = document.getElementById("copy");
const secret = document.getElementById("secret");

secret.focus();
secret.select();
button.addEventListener("click", async () => {
  secret.select();
  try {
    await navigator.clipboard.writeText(secret.value);
  } catch {
    // By http from another machine browsers keep the clipboard closed: the old way still works.
    document.execCommand("copy");
  }
  button.querySelector("span").textContent = button.dataset.done;
});
ready();
