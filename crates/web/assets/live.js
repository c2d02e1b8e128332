// The stream that all windows of one browser share: browsers open few connections to one server, and a window more would hang.
// It runs as a shared worker, beside the windows, so that none of them is missed when it closes. It tells those that listen what
// became of the stream, in one word, and decides nothing about pages.
'use strict';

const RETRY_MS = 30000; // after a refusal
const address = new URL('../../live', location);
const listeners = new Set();
let stream = null;
let retry = 0;

const tell = (word) => { for (const port of listeners) port.postMessage(word); };

function follow() {
  clearTimeout(retry);
  stream?.close();
  stream = listeners.size ? new EventSource(address) : null;
  if (!stream) return;
  stream.onopen = () => tell('open');
  stream.onmessage = () => tell('news');
  stream.onerror = () => {
    // A broken stream comes back by itself; a refused one does not.
    const isRefused = stream.readyState === EventSource.CLOSED;
    tell(isRefused ? 'refused' : 'lost');
    if (isRefused) retry = setTimeout(follow, RETRY_MS);
  };
}

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data: listens }) => {
    if (listens) listeners.add(port);
    else listeners.delete(port);
    const isOver = !stream || stream.readyState === EventSource.CLOSED;
    if (!listeners.size || isOver) follow();
    else if (listens && stream.readyState === EventSource.OPEN) port.postMessage('open');
  };
};
