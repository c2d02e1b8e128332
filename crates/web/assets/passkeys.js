// Passkeys: a form that needs one asks the server for a question, has the browser answer it, and takes the answer along. Without
// scripts people sign in with a password. Stands behind script.js.
'use strict';

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
const textOf = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

// What comes as a text and browsers want as bytes.
function readOptions(options) {
  options.challenge = bytesOf(options.challenge);
  if (options.user) options.user.id = bytesOf(options.user.id);
  for (const known of options.excludeCredentials ?? []) known.id = bytesOf(known.id);
  return options;
}

const reasons = {
  NotAllowedError: 'Nothing was chosen, or it took too long.',
  InvalidStateError: 'This authenticator has a passkey of yours already.',
  NotSupportedError: 'This browser or authenticator has no passkeys of the kind that is needed.',
};

// Sends the form with an answer, or says why there is none.
async function answer(form) {
  if (location.origin !== form.dataset.origin) return `Passkeys work at ${form.dataset.origin} only.`;
  const question = await fetch(base + form.dataset.options, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
  const { publicKey, mistake } = await question.json();
  if (mistake) return mistake;
  const { rawId, response } = await navigator.credentials[form.dataset.passkey]({ publicKey: readOptions(publicKey) });
  const { clientDataJSON, attestationObject, authenticatorData, signature, userHandle } = response;
  const fields = { id: rawId, clientData: clientDataJSON, attestation: attestationObject, authenticatorData, signature, userHandle };
  for (const [name, buffer] of Object.entries(fields)) {
    if (buffer) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value: textOf(buffer) }));
  }
  form.submit();
  return '';
}

for (const form of $$('[data-passkey]')) {
  const note = $('[role=alert]', form);
  const button = $('button', form);
  const say = (sentence) => {
    note.textContent = sentence;
    note.hidden = !sentence;
  };
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    // Not pressed for good, as other forms: it may come to nothing, and be pressed again.
    event.stopPropagation();
    button.disabled = true;
    say('');
    const mistake = await answer(form).catch((error) => reasons[error.name] ?? 'It did not work. Load the page anew and try again.');
    if (!mistake) return;
    say(mistake);
    button.disabled = false;
  });
  form.hidden = !window.PublicKeyCredential;
}
