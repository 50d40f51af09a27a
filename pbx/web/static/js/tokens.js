// A new token, into the clipboard.

const button = document.getElementById("copy");
const secret = document.getElementById("secret");

secret.focus();
secret.select();
// Without this script, or before it has come, a press would do nothing: the button shows up with it.
button.hidden = false;
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
