"use strict";
// A form that was sent is not sent again by an impatient second click; the server knows it anyway.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.setAttribute("aria-busy", "true");
});
// A file that is too large is told of before it is sent; the server knows it anyway.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.dataset.most) return;
  const isTooLarge = [...field.files].some((file) => file.size > Number(field.dataset.most));
  field.setCustomValidity(isTooLarge ? field.dataset.tooLarge : "");
  field.reportValidity();
});
// A page that comes back from the browser's memory was sent once, and may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});
// What is typed into a filter that found nothing readable is told as the page that says why.
document.addEventListener("htmx:responseError", (event) => {
  const found = document.getElementById("found");
  if (!found) return;
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const reasons = page.querySelectorAll("main li, main h1");
  found.textContent = [...reasons].map((each) => each.textContent.trim()).join(". ");
});
document.addEventListener("htmx:sendError", () => {
  const found = document.getElementById("found");
  if (found) found.textContent = "The service did not answer. Try again.";
});
