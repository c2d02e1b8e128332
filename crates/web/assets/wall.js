// Keeps a wallboard fresh for weeks. A stream says when to look again; looking again every minute is the guarantee behind
// it. Whatever fails is tried again, ever more slowly, and a board that may be out of date says so.
'use strict';

const PAUSE_MS = 2000; // between two looks
const POLL_MS = 60000; // without news
const DEADLINE_MS = 15000; // for one look
const REFUSED_MS = 300000; // while the key is not accepted: each look counts as a failure
const STREAM_MS = 600000; // a stream may have died silently: it is begun anew
const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 60000;

// Where the server's paths begin: three names above this file.
const base = new URL('../..', document.currentScript.src).pathname.slice(0, -1);

let wall = document.getElementById('wall');
const lost = document.getElementById('lost');
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

let seenAt = Date.now(); // when the server last answered
let skew = new Date(wall.dataset.servedAt) - seenAt;
let hasFailed = false;
let isLooking = false;
let nextLookAt = seenAt + ('open' in wall.dataset ? POLL_MS : REFUSED_MS);
const waitsMs = { look: FIRST_WAIT_MS, stream: FIRST_WAIT_MS };
let stream = null;
let streamBegunAt = 0;
let nextStreamAt = 0;

function relative(seconds) {
  if (seconds < 5) return 'now';
  const [amount, unit] = seconds < 60 ? [seconds, 's'] : seconds < 3600 ? [seconds / 60, 'min'] : seconds < 86400 ? [seconds / 3600, 'h'] : [seconds / 86400, 'd'];
  return `${Math.floor(amount)} ${unit} ago`;
}
function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}
/** When to try again what has failed: later each time, and not all wallboards at once. */
function later(what) {
  const wait = waitsMs[what] * (0.5 + Math.random());
  waitsMs[what] = Math.min(waitsMs[what] * 2, LONGEST_WAIT_MS);
  return Date.now() + wait;
}

async function look() {
  const answer = await fetch(location.href, { cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(DEADLINE_MS) });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.getElementById('wall');
  // Too many failures of others at this address are no reason to take the board down.
  if (!fresh || answer.status === 429) throw new Error(`the server answered ${answer.status}`);
  // Another script or style: another version of the server. It has just answered, so it is there to load from.
  const assets = (of) => [...of.querySelectorAll('link[href], script[src]')].map((asset) => asset.getAttribute('href') || asset.getAttribute('src')).join();
  if (assets(page) !== assets(document)) location.reload();
  seenAt = Date.now();
  skew = new Date(fresh.dataset.servedAt) - seenAt;
  document.title = page.title;
  wall.replaceWith(document.adoptNode(fresh));
  wall = fresh;
}

async function lookAgain() {
  if (isLooking) return;
  isLooking = true;
  nextLookAt = Date.now() + POLL_MS;
  try {
    await look();
    hasFailed = false;
    waitsMs.look = FIRST_WAIT_MS;
    if (!('open' in wall.dataset)) nextLookAt = Date.now() + REFUSED_MS;
  } catch {
    hasFailed = true;
    nextLookAt = later('look');
  }
  isLooking = false;
  tick();
}

/** Looks again soon: at once after a rest, else when the pause is over. */
function soon() {
  nextLookAt = Math.min(nextLookAt, Math.max(Date.now(), seenAt + PAUSE_MS));
  tick();
}

function endStream() {
  if (stream) stream.close();
  stream = null;
}
function beginStream() {
  endStream();
  streamBegunAt = Date.now();
  stream = new EventSource(`${base}/wall/live${location.search}`);
  stream.onopen = soon;
  stream.onmessage = () => {
    waitsMs.stream = FIRST_WAIT_MS;
    soon();
  };
  stream.onerror = () => {
    endStream();
    nextStreamAt = later('stream');
    soon();
  };
}

function tick() {
  const now = Date.now();
  write(document.getElementById('clock'), time.format(now));
  write(document.getElementById('age'), `updated ${relative((now - seenAt) / 1000)}`);
  for (const when of wall.querySelectorAll('time[datetime]')) {
    const at = new Date(when.dateTime);
    when.title = exact.format(at);
    write(when, relative((now + skew - at) / 1000));
  }
  // A machine that slept has seen nothing, failed or not.
  const isLost = hasFailed || now - seenAt > 2 * POLL_MS + REFUSED_MS * !('open' in wall.dataset);
  if (isLost) write(lost, `Connection lost. This is how it was at ${time.format(seenAt)}.`);
  if (lost.hidden === isLost) lost.hidden = !isLost;
  document.body.classList.toggle('is-lost', isLost);
  if (now >= nextLookAt) lookAgain();
  const wantsStream = 'open' in wall.dataset && !hasFailed;
  if (!wantsStream) endStream();
  else if (stream ? now - streamBegunAt > STREAM_MS : now >= nextStreamAt) beginStream();
}
tick();
setInterval(tick, 1000);
addEventListener('online', soon);
addEventListener('pagehide', endStream);
