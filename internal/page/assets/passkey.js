// Passkeys at the browser: the one thing that needs script. A form with data-passkey
// asks its data-begin address for options, hands them to the browser, puts the answer
// into its own fields and is sent.
"use strict";

const supported = () => window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

// A challenge is good for five minutes, and one that nobody answered can be asked again.
const challengeLife = 4 * 60 * 1000;

async function begin(form) {
  const answer = await fetch(form.dataset.begin, { method: "POST", headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("begin: " + answer.status);
  return answer.json();
}

function ask(form, challenge, conditional) {
  if (form.dataset.passkey === "create") {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(challenge.options) });
  }
  const options = { publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(challenge.options) };
  if (conditional) Object.assign(options, { mediation: "conditional", signal: conditional });
  return navigator.credentials.get(options);
}

function send(form, challenge, credential) {
  form.elements.handle.value = challenge.handle;
  form.elements.response.value = JSON.stringify(credential.toJSON());
  form.submit();
}

async function run(form) {
  const problem = form.querySelector("[data-problem]");
  try {
    const challenge = await begin(form);
    send(form, challenge, await ask(form, challenge));
  } catch (e) {
    if (e.name === "AbortError") return;
    problem.textContent = e.name === "InvalidStateError" ? form.dataset.exists : form.dataset.failed;
    problem.hidden = false;
    form.querySelector("button").disabled = false;
  }
}

// offer has the browser offer passkeys by itself, beside what it fills in, and returns
// what ends that. A browser looks once which passkeys there are: it is asked again when
// somebody comes back to the page, or to the field where they are offered.
function offer(form) {
  let challenge = null, until = 0, asking = false, ended = false;
  let waiting = new AbortController(), former = Promise.resolve();

  async function again() {
    if (asking || ended) return;
    asking = true;
    const can = await PublicKeyCredential.isConditionalMediationAvailable();
    if (can && Date.now() > until) {
      challenge = await begin(form).catch(() => null);
      until = challenge ? Date.now() + challengeLife : 0;
    }
    waiting.abort();
    await former; // a browser takes one request at a time
    asking = false;
    if (!can || !challenge || ended) return;
    waiting = new AbortController();
    former = once(challenge, waiting.signal);
  }

  async function once(challenge, signal) {
    try {
      const credential = await ask(form, challenge, signal);
      until = 0; // used
      send(form, challenge, credential);
    } catch { /* Nobody asked for it by a press, so nobody is told. */ }
  }

  again();
  for (const field of document.querySelectorAll("input[autocomplete~=webauthn]")) field.addEventListener("focus", again);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") again(); });
  return () => { ended = true; waiting.abort(); };
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!supported()) continue;
  form.hidden = false;
  for (const other of document.querySelectorAll("[data-without-passkey]")) other.hidden = true;
  let end = () => {};
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    end();
    form.querySelector("button").disabled = true;
    run(form);
  });
  if (form.dataset.conditional && PublicKeyCredential.isConditionalMediationAvailable) {
    end = offer(form);
  }
}
