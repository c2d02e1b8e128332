// Everything in the page that our templates did not put there: run as the body of a function by the browser tests.
const OUR_SCRIPT = /^\/assets\/[0-9a-f]{12}\/(script|forms|passkeys|wall)\.js$/;
const OUR_IMAGE = /^\/assets\/[0-9a-f]{12}\/icon\.svg$/;
const isOurs = (address, pattern) => {
  const url = new URL(address || 'none:', location.href);
  return url.origin === location.origin && pattern.test(url.pathname);
};
const all = (selector) => [...document.querySelectorAll(selector)];
const ADDRESSES = ['href', 'src', 'action', 'formaction', 'xlink:href'];
const foreign = [
  ...[...document.scripts].filter((script) => !isOurs(script.src, OUR_SCRIPT) || script.textContent),
  ...all('img').filter((image) => !isOurs(image.src, OUR_IMAGE)),
  ...all('iframe, object, embed, base, style, [style], meta[http-equiv], video, audio'),
  ...all('*').filter((element) => [...element.attributes].some((attribute) => attribute.name.startsWith('on'))),
  ...all('*').filter((element) => ADDRESSES.some((name) => /^\s*(javascript|data|vbscript):/i.test(element.getAttribute(name) ?? ''))),
];
const found = foreign.map((element) => element.outerHTML.slice(0, 200));
if ('__xss' in window) found.push('a foreign script ran');
if (document.head.querySelectorAll('title').length !== 1) found.push('a second title');
return found;
