// Passkeys at the browser: the one thing that needs script. A form with data-passkey
// asks its data-begin address for options, hands them to the browser, puts the answer
// into its own fields and is sent.
"use strict";

const supported = () => window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

async function begin(form) {
  const answer = await fetch(form.dataset.begin, { method: "POST", headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("begin: " + answer.status);
  return answer.json();
}

async function ask(form, challenge, conditional) {
  if (form.dataset.passkey === "create") {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(challenge.options) });
  }
  const options = { publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(challenge.options) };
  if (conditional) Object.assign(options, { mediation: "conditional", signal: conditional.signal });
  return navigator.credentials.get(options);
}

async function run(form, conditional) {
  const problem = form.querySelector("[data-problem]");
  try {
    const challenge = await begin(form);
    const credential = await ask(form, challenge, conditional);
    form.elements.handle.value = challenge.handle;
    form.elements.response.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (e) {
    if (conditional || e.name === "AbortError") return;
    problem.textContent = e.name === "InvalidStateError" ? form.dataset.exists : form.dataset.failed;
    problem.hidden = false;
    form.querySelector("button").disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!supported()) continue;
  form.hidden = false;
  for (const other of document.querySelectorAll("[data-without-passkey]")) other.hidden = true;
  const waiting = new AbortController();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    waiting.abort();
    form.querySelector("button").disabled = true;
    run(form, null);
  });
  if (form.dataset.conditional && PublicKeyCredential.isConditionalMediationAvailable) {
    PublicKeyCredential.isConditionalMediationAvailable().then((can) => { if (can) run(form, waiting); });
  }
}
