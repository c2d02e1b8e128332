// What pages can do beyond links and forms: stay fresh, copy, check a filter while it is typed. Everything works
// without it too, one load at a time.
'use strict';

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// Where the server's paths begin: three names above this file.
const base = new URL('../..', document.currentScript.src).pathname.slice(0, -1);
const { shared } = document.currentScript.dataset;

// Times: relative ones kept fresh, exact ones in the zone and by the clock that the viewer chose, or the browser's.
const { zone: timeZone, clock: hourCycle } = document.documentElement.dataset;
const style = { dateStyle: 'medium', timeStyle: 'medium', hourCycle };
function format(zone) {
  try {
    return new Intl.DateTimeFormat(undefined, { ...style, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat(undefined, style);
  }
}
const exact = format(timeZone);
const utc = (at) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
function duration(seconds) {
  const [amount, unit] = seconds < 60 ? [seconds, 's'] : seconds < 3600 ? [seconds / 60, 'min'] : seconds < 86400 ? [seconds / 3600, 'h'] : [seconds / 86400, 'd'];
  return `${Math.floor(amount)} ${unit}`;
}
function relative(seconds) {
  if (Math.abs(seconds) < 5) return 'now';
  return seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}
let clockSkew = 0;
function freshenTimes(within = document) {
  for (const time of $$('time[datetime]', within)) {
    const at = new Date(time.dateTime);
    const shown = exact.format(at);
    const title = `${shown} (${utc(at)})`;
    if (time.title !== title) time.title = title;
    const seconds = (Date.now() + clockSkew - at) / 1000;
    const text = 'exact' in time.dataset ? shown : 'lasting' in time.dataset ? duration(Math.max(0, seconds)) : relative(seconds);
    if (time.textContent !== text) time.textContent = text;
  }
}
// The server's clock counts: without this, a wrong clock here would show "in 3 min" for what has just happened.
const served = $('meta[name=served-at]');
if (served) clockSkew = new Date(served.content) - Date.now();
freshenTimes();
setInterval(freshenTimes, 5000);
const zones = $('#zones');
if (zones) zones.append(...Intl.supportedValuesOf('timeZone').map((zone) => new Option(zone)));

// Takes over what is different, element by element, so that focus, selection and open parts stay as they are.
function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (from.nodeType !== 1 || to.nodeType !== 1 || from.tagName !== to.tagName) {
    from.replaceWith(to.cloneNode(true));
    return;
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (name !== 'open' && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (from.matches('input, textarea, select')) return;
  // What has a key stays the same element wherever it moves, so that it stays open. Rows of tables go by their place:
  // their contents move on, and nothing shifts.
  const keyOf = (node) => (node?.tagName === 'TR' ? undefined : node?.dataset?.key);
  const keyed = new Map([...from.children].filter(keyOf).map((child) => [keyOf(child), child]));
  let old = from.firstChild;
  for (const node of to.childNodes) {
    const key = keyOf(node);
    const same = key ? keyed.get(key) : keyOf(old) ? null : old;
    if (same && same === old) old = old.nextSibling;
    else from.insertBefore(same || node.cloneNode(true), old);
    if (same) morph(same, node);
  }
  while (old) {
    const next = old.nextSibling;
    old.remove();
    old = next;
  }
}

// Live pages: the stream says that something changed, the page asks for itself and takes over its live parts.
const live = $('#live');
const news = $('#news');
let held = null;
const keys = (part) => $$('[data-key]', part).map((row) => row.dataset.key);
function isBusy(part) {
  return part.matches('[data-rows]') && (part.matches(':hover, :focus-within') || part.getBoundingClientRect().top < 0);
}
function take(part, fresh) {
  const known = new Set(keys(part));
  const isFirst = known.size === 0;
  // What is ticked stays ticked, in whichever row it is now.
  const ticked = new Set($$('[data-key] :checked', part).map((box) => box.value));
  morph(part, fresh);
  for (const box of $$('[data-key] [type=checkbox]', part)) box.checked = ticked.has(box.value);
  for (const row of $$('[data-key]', part)) row.classList.toggle('is-new', !isFirst && !known.has(row.dataset.key));
  freshenTimes(part);
}
function letGo() {
  held = null;
  news.hidden = true;
}
function offer(part, fresh) {
  const known = new Set(keys(part));
  const arrived = keys(fresh).filter((key) => !known.has(key));
  // Whoever points at a row keeps it where it is; what changed within the rows is taken over all the same.
  if (arrived.length > 0 && isBusy(part)) {
    for (const row of $$('[data-key]', part)) {
      const same = $$('[data-key]', fresh).find((other) => other.dataset.key === row.dataset.key);
      if (same) morph(row, same);
    }
    freshenTimes(part);
    held = [part.id, fresh];
    news.textContent = `${arrived.length} new – show`;
    news.hidden = false;
    live.textContent = `${arrived.length} new rows; press the button Show to see them`;
    return;
  }
  // What was held back is older than this.
  if (held?.[0] === part.id) letGo();
  take(part, fresh);
}
// A page that answers a form has an address of its own to look at.
const address = $('link[rel=canonical]')?.href ?? location.href.split('#')[0];
async function look() {
  const answer = await fetch(address, { headers: { accept: 'text/html' }, redirect: 'manual' });
  // The session has ended: the page leads to the sign-in by itself, unless somebody is typing. It is asked for anew and not
  // loaded again, which would send a form once more.
  if (answer.type === 'opaqueredirect' && !document.activeElement.matches('input, textarea, select')) location.replace(address);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  for (const part of $$('[data-live]')) {
    const fresh = page.getElementById(part.id);
    if (!fresh || part.contains(document.activeElement) && document.activeElement.matches('input, textarea, select')) continue;
    offer(part, fresh);
  }
  const said = $('[data-say]', page);
  if (said && live.dataset.said !== said.dataset.say) {
    if (live.dataset.said !== undefined) live.textContent = said.dataset.say;
    live.dataset.said = said.dataset.say;
  }
}
if ($('[data-live]')) {
  let isLooking = false;
  let isStale = false;
  const refresh = async () => {
    isStale = true;
    if (isLooking || document.hidden) return;
    isLooking = true;
    while (isStale) {
      isStale = false;
      const began = Date.now();
      await look().catch(() => {});
      // A page that is slow to make is asked for less often.
      await new Promise((done) => setTimeout(done, 4 * (Date.now() - began)));
    }
    isLooking = false;
  };
  const said = $('[data-say]');
  if (said) live.dataset.said = said.dataset.say;
  const say = (mark, aloud) => {
    for (const place of $$('.live-mark')) place.textContent = mark;
    live.textContent = aloud;
  };
  const heard = {
    open() {
      document.body.classList.add('is-live');
      if (document.body.classList.contains('is-lost')) say('live', 'live again');
      document.body.classList.remove('is-lost');
      refresh();
    },
    news: refresh,
    lost() {
      if (document.body.classList.contains('is-live')) {
        const since = new Date().toLocaleTimeString(undefined, { timeStyle: 'short' });
        say(`not live since ${since}, trying again`, 'connection lost');
        document.body.classList.add('is-lost');
      }
      document.body.classList.remove('is-live');
    },
    refused() { heard.lost(); refresh(); },
  };
  // The windows of a browser share a stream; where there is no worker to hold it (phones), each has its own.
  let worker = null;
  try {
    worker = new SharedWorker(base + shared);
    worker.port.onmessage = ({ data: word }) => heard[word]();
    worker.onerror = () => { worker = null; listen(); };
  } catch {}
  let stream = null;
  const own = () => {
    stream = new EventSource(`${base}/live`);
    stream.onopen = heard.open;
    stream.onmessage = heard.news;
    stream.onerror = () => {
      // A broken stream comes back by itself; a refused one does not.
      if (stream.readyState !== EventSource.CLOSED) return heard.lost();
      heard.refused();
      setTimeout(listen, 30000);
    };
  };
  // Pages that nobody sees do not listen.
  const leave = () => {
    worker?.port.postMessage(false);
    stream?.close();
  };
  const listen = () => {
    leave();
    document.body.classList.remove('is-live');
    if (document.hidden) return;
    if (worker) worker.port.postMessage(true);
    else own();
  };
  listen();
  document.addEventListener('visibilitychange', listen);
  addEventListener('pageshow', (event) => event.persisted && listen());
  addEventListener('pagehide', leave);
  news.addEventListener('click', () => {
    const part = held && document.getElementById(held[0]);
    if (part) { take(part, held[1]); part.scrollIntoView({ block: 'nearest' }); }
    letGo();
  });
}

// The sentence about what was just done belongs to this visit, not to the address.
if ($('[data-note]')) {
  const url = new URL(location.href);
  if (url.searchParams.has('did')) {
    url.searchParams.delete('did');
    history.replaceState(null, '', url);
  }
}

document.addEventListener('click', async (event) => {
  const copy = event.target.closest('[data-copy]');
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS there is no clipboard for scripts, but the old way still works.
      const area = document.body.appendChild(Object.assign(document.createElement('textarea'), { value: text }));
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    copy.textContent = 'Copied';
    if (live) live.textContent = 'Copied';
  }
  const generate = event.target.closest('[data-generate]');
  if (generate) {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const field = document.getElementById(generate.dataset.generate);
    field.value = `whsec_${btoa(String.fromCharCode(...bytes))}`;
    field.type = 'text';
    field.focus();
  }
  const add = event.target.closest('[data-add]');
  if (add) {
    const template = document.getElementById(add.dataset.add);
    const row = template.content.firstElementChild.cloneNode(true);
    template.before(row);
    const first = $('input, select', row);
    if (first) first.focus();
  }
});

// A second press of the same button must not do the same thing twice.
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) {
    event.preventDefault();
    return;
  }
  const button = event.submitter;
  if (button) setTimeout(() => { button.disabled = true; button.dataset.wait && (button.textContent = button.dataset.wait); });
});
addEventListener('pageshow', (event) => event.persisted && $$('button[disabled]').forEach((button) => { button.disabled = false; }));

for (const all of $$('[data-all]')) {
  all.addEventListener('change', () => {
    for (const box of $$(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
  });
}
$('form[data-go-on]')?.requestSubmit();
for (const select of $$('select[data-go]')) select.addEventListener('change', () => select.form.requestSubmit());

// What an address leads to is open.
const openTarget = () => {
  const part = location.hash && document.getElementById(location.hash.slice(1));
  if (part && part.matches('details')) part.open = true;
};
openTarget();
addEventListener('hashchange', openTarget);

// The first mistake of a form is where to go on.
const mistake = $('.has-error input:not([type=hidden]), .has-error textarea, .has-error select');
if (mistake) mistake.focus();
