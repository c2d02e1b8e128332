// A receiver with Express: verifies, answers at once, works later, and does nothing twice.
//
//   npm install express && SECRET=… PORT=9000 node receiver.js

const crypto = require('node:crypto');
const express = require('express');
const fs = require('node:fs');

const { SECRET, PORT = 9000, FOLDER = 'received' } = process.env;
const key = SECRET.startsWith('whsec_') ? Buffer.from(SECRET.slice(6), 'base64') : Buffer.from(SECRET);
['events', 'done'].forEach((name) => fs.mkdirSync(`${FOLDER}/${name}`, { recursive: true }));

// Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one.
function isValid(id, time, signatures, body) {
  const mac = crypto.createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64');
  const expected = Buffer.from(`v1,${mac}`);
  const given = signatures.split(' ').map((signature) => Buffer.from(signature));
  const fits = given.some((bytes) => bytes.length === expected.length && crypto.timingSafeEqual(bytes, expected));
  return fits && /^\w+$/.test(id) && Math.abs(Date.now() / 1000 - Number(time)) < 300;
}

// Whole or not at all, and only once: a link to a name that is taken fails.
function keep(id, body) {
  const temporary = `${FOLDER}/${crypto.randomUUID()}`;
  fs.writeFileSync(temporary, body);
  try {
    fs.linkSync(temporary, `${FOLDER}/events/${id}`);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    fs.unlinkSync(temporary);
  }
}

async function work(id) {
  const event = JSON.parse(fs.readFileSync(`${FOLDER}/events/${id}`, 'utf8'));
  console.log(`worked ${id} ${event.event}`); // Open the ticket, ask the other service: here it may take its time.
  fs.writeFileSync(`${FOLDER}/done/${id}`, '');
}

let last = Promise.resolve();
const later = (id) => { last = last.then(() => work(id)).catch(console.error); };
fs.readdirSync(`${FOLDER}/events`).filter((id) => !fs.existsSync(`${FOLDER}/done/${id}`)).forEach(later);

const app = express();
app.post('/', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
  const [id, time, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => request.get(name) ?? '');
  if (!isValid(id, time, signatures, request.body)) return response.sendStatus(401);
  if (keep(id, request.body)) later(id);
  response.sendStatus(204);
});
app.listen(PORT, '127.0.0.1');
