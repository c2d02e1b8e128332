// What forms of webhooks and alert sources can do beyond being sent: checks, previews, searches while somebody types. Everything works
// without it too, one load at a time. Stands behind script.js.
'use strict';

// A filter is checked while it is typed.
const filter = $('[data-check-filter]');
if (filter) {
  const verdict = document.getElementById('filter-verdict');
  let timer;
  const check = async () => {
    const body = new URLSearchParams(new FormData(filter.form));
    // Trying is not sending: the form's own token is for that.
    body.delete('once');
    const answer = await fetch(`${base}/settings/integrations/check-filter`, { method: 'POST', body, headers: { accept: 'text/html' } });
    if (answer.ok) verdict.replaceChildren(...new DOMParser().parseFromString(await answer.text(), 'text/html').body.childNodes);
  };
  filter.form.addEventListener('input', (event) => {
    if (!event.target.matches('[data-check-filter], [name=events], [name=severities], [name=services]')) return;
    clearTimeout(timer);
    timer = setTimeout(() => check().catch(() => {}), 350);
  });
}

// A file that is chosen is put into its text, to be looked at and sent.
for (const chosen of $$('input[type=file][data-into]')) {
  chosen.hidden = false;
  chosen.addEventListener('change', async () => {
    if (chosen.files[0]) document.getElementById(chosen.dataset.into).value = await chosen.files[0].text();
  });
}

// Services are found while their name is typed.
const search = $('[data-find-services]');
if (search) {
  const place = document.getElementById(search.dataset.findServices);
  let timer;
  const find = async () => {
    const body = new URLSearchParams(new FormData(search.form));
    body.delete('once');
    const answer = await fetch(`${base}/settings/integrations/find-services`, { method: 'POST', body, headers: { accept: 'text/html' } });
    if (answer.ok) place.replaceChildren(...new DOMParser().parseFromString(await answer.text(), 'text/html').body.childNodes);
  };
  const soon = (event) => {
    event.stopPropagation();
    clearTimeout(timer);
    timer = setTimeout(() => find().catch(() => {}), 250);
  };
  search.addEventListener('input', soon);
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    soon(event);
  });
}

// A message, or what is read from a request, is previewed while it is set up.
const previewed = $('form[data-preview]');
if (previewed) {
  const place = document.getElementById('preview');
  let timer;
  const draw = async () => {
    const body = new URLSearchParams(new FormData(previewed));
    body.delete('once');
    const answer = await fetch(base + previewed.dataset.preview, { method: 'POST', body, headers: { accept: 'text/html' } });
    if (answer.ok) place.replaceChildren(...new DOMParser().parseFromString(await answer.text(), 'text/html').body.childNodes);
  };
  const soon = (event) => {
    if (!/^(url|previewEvent|mapping-|(remove-)?option-)/.test(event.target.name || '')) return;
    clearTimeout(timer);
    timer = setTimeout(() => draw().catch(() => {}), 350);
  };
  previewed.addEventListener('input', soon);
  previewed.addEventListener('click', (event) => {
    if (event.target.name !== 'preview') return;
    event.preventDefault();
    draw().catch(() => {});
  });
}
