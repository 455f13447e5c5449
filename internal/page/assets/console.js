// Keyboard search: "/" goes to the search field of the page.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("input[type=search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

// What is shown once gets a button that copies it, where the browser lets pages do that.
if (navigator.clipboard) {
  for (const secret of document.querySelectorAll("[data-copy] .secret")) {
    const { copy, copied } = secret.closest("[data-copy]").dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(secret.textContent);
      button.textContent = copied;
    });
    secret.after(button);
  }
}
