// Looks at the page as it is rendered now and returns one sentence for everything that shuts somebody out. Run as the body
// of a function by the browser tests; all folded parts are opened first.
const problems = new Set();
const wrong = (rule, element, detail = '') => problems.add(`${rule}: ${shown(element)} ${detail}`.trim());
const all = (selector) => [...document.querySelectorAll(selector)];
const INTERACTIVE = 'a[href], button, summary, input:not([type=hidden]), select, textarea';

function shown(element) {
  const text = element.textContent.trim().replace(/\s+/g, ' ').slice(0, 40);
  const id = element.id ? `#${element.id}` : '';
  const classes = [...element.classList].map((name) => `.${name}`).join('');
  return `<${element.localName}${id}${classes}> “${text}”`;
}

function isVisible(element) {
  return element.getClientRects().length > 0 && getComputedStyle(element).visibility === 'visible';
}

// What a screen reader calls an element: a part of the standard's rules that is enough for our own pages.
function nameOf(element) {
  const references = (element.getAttribute('aria-labelledby') ?? '').split(/\s+/).filter(Boolean);
  if (references.length > 0) return references.map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim();
  const label = element.getAttribute('aria-label')?.trim();
  if (label) return label;
  if (element.matches('input, select, textarea')) {
    const labels = [...(element.labels ?? [])].map((each) => each.textContent.trim()).join(' ');
    return labels || element.title.trim();
  }
  return contentOf(element).trim() || element.getAttribute('title')?.trim() || '';
}

function contentOf(element) {
  if (element.getAttribute('aria-hidden') === 'true' || getComputedStyle(element).display === 'none') return '';
  if (element.localName === 'img') return element.alt;
  if (element.getAttribute('aria-label')) return element.getAttribute('aria-label');
  const parts = [...element.childNodes].map((node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    return node.nodeType === Node.ELEMENT_NODE ? contentOf(node) : '';
  });
  return parts.join('');
}

function checkDocument() {
  const root = document.documentElement;
  if (!root.lang) wrong('no language', root);
  if (!document.title.trim()) wrong('no title', root);
  if (all('main').length !== 1) wrong('not exactly one main', document.body, all('main').length);
  const isAlone = document.body.matches('.alone, .wall');
  const navigations = all('nav').filter(isVisible);
  if (!isAlone && navigations.length === 0) wrong('no navigation', document.body);
  const names = navigations.map(nameOf);
  navigations.forEach((each, index) => {
    if (!names[index]) wrong('navigation without a name', each);
    if (names.indexOf(names[index]) !== index) wrong('two navigations of one name', each);
  });
  const headings = all('h1, h2, h3, h4, h5, h6').filter(isVisible);
  const first = headings.filter((each) => each.localName === 'h1');
  if (first.length !== 1) wrong('not exactly one h1', document.body, first.length);
  let level = 0;
  for (const heading of headings) {
    const next = Number(heading.localName[1]);
    if (next > level + 1) wrong('heading skips a level', heading, `h${level} to h${next}`);
    if (!contentOf(heading).trim()) wrong('empty heading', heading);
    level = next;
  }
  const ids = new Set();
  for (const element of all('[id]')) {
    if (ids.has(element.id)) wrong('id used twice', element);
    ids.add(element.id);
  }
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
    for (const element of all(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!document.getElementById(id)) wrong(`${attribute} of nothing`, element, id);
      }
    }
  }
}

function checkNames() {
  for (const image of all('img')) if (!image.hasAttribute('alt')) wrong('image without alt', image);
  for (const drawing of all('svg')) {
    const isHidden = drawing.closest('[aria-hidden=true]');
    if (!isHidden && !(drawing.getAttribute('role') === 'img' && nameOf(drawing))) wrong('drawing without a name', drawing);
  }
  for (const element of all(INTERACTIVE).filter(isVisible)) {
    if (!nameOf(element)) wrong('without a name', element, element.outerHTML.slice(0, 120));
  }
  for (const table of all('table').filter(isVisible)) {
    for (const head of table.querySelectorAll('th')) if (!head.textContent.trim()) wrong('table head without text', head);
    const columns = table.querySelectorAll('thead th').length;
    if (columns === 0 && table.querySelectorAll('tbody th').length === 0) wrong('table without heads', table);
  }
  for (const mistake of all('.wrong').filter(isVisible)) {
    const field = document.querySelector(`[aria-invalid=true][aria-describedby~="${mistake.id}"]`);
    if (!field) wrong('mistake of no field', mistake);
  }
  for (const group of all('fieldset')) if (!group.querySelector('legend')?.textContent.trim()) wrong('group without a legend', group);
}

// Colours: as the browser paints them, each as [red, green, blue, alpha] with 0 to 255 and 0 to 1.
const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
const colours = new Map();
function colour(text) {
  if (!colours.has(text)) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    colours.set(text, [red, green, blue, alpha / 255]);
  }
  return colours.get(text);
}

function over(above, below) {
  const [alpha, rest] = [above[3], 1 - above[3]];
  return [0, 1, 2].map((index) => above[index] * alpha + below[index] * rest).concat(1);
}

// Both are asked for every text, and depend on everything around it: what is known is kept.
const opacities = new Map();
function opacityOf(element) {
  if (!element) return 1;
  if (!opacities.has(element)) opacities.set(element, Number(getComputedStyle(element).opacity) * opacityOf(element.parentElement));
  return opacities.get(element);
}

const backgrounds = new Map();
function backgroundOf(element) {
  if (!element) return getComputedStyle(document.documentElement).colorScheme === 'dark' ? [18, 18, 18, 1] : [255, 255, 255, 1];
  if (!backgrounds.has(element)) {
    const style = getComputedStyle(element);
    if (style.backgroundImage !== 'none' && !style.backgroundImage.startsWith('url(')) wrong('text on a gradient cannot be judged', element);
    const above = [...colour(style.backgroundColor)];
    above[3] *= opacityOf(element);
    backgrounds.set(element, over(above, backgroundOf(element.parentElement)));
  }
  return backgrounds.get(element);
}

function luminance(rgb) {
  const [red, green, blue] = rgb.slice(0, 3).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(first, second) {
  const [light, dark] = [luminance(first), luminance(second)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function checkContrast(element, paint, style, what) {
  const background = backgroundOf(element);
  const text = [...colour(paint)];
  text[3] *= opacityOf(element);
  const ratio = contrast(over(text, background), background);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const needed = isLarge ? 3 : 4.5;
  if (ratio < needed) wrong(`${what} with a contrast of ${ratio.toFixed(2)}, needs ${needed}`, element, `${paint} on rgb(${background.slice(0, 3).map(Math.round)})`);
}

function checkTexts() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !isVisible(element) || element.closest('script, option, .unseen, :disabled, template')) continue;
    const style = getComputedStyle(element);
    checkContrast(element, element instanceof SVGElement ? style.fill : style.color, style, 'text');
  }
  for (const control of all('input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea').filter(isVisible)) {
    if (control.disabled) continue;
    checkContrast(control, getComputedStyle(control).color, getComputedStyle(control), 'field');
    if (control.placeholder) checkContrast(control, getComputedStyle(control, '::placeholder').color, getComputedStyle(control), 'placeholder');
    const border = contrast(over(colour(getComputedStyle(control).borderTopColor), backgroundOf(control)), backgroundOf(control.parentElement));
    if (border < 3) wrong(`border of a field with a contrast of ${border.toFixed(2)}, needs 3`, control);
  }
}

// Words are read whole: only what is longer than a word may be broken anywhere.
const LONGEST_WORD = 24;
function checkWords() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!isVisible(text.parentElement) || text.parentElement.closest('.unseen, pre, textarea, .headers')) continue;
    for (const word of text.data.matchAll(/[^\s./:_-]+/g)) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (word[0].length <= LONGEST_WORD && lines.size > 1) wrong(`the word “${word[0]}” is broken`, text.parentElement);
    }
  }
}

// Everything that can be pressed can be reached with the keyboard, in the order of the page, and shows that it is.
function checkFocus() {
  for (const element of all('[tabindex]')) if (element.tabIndex > 0) wrong('jumps the order of the focus', element);
  for (const element of all('[onclick], [role=button]')) if (element.tabIndex < 0) wrong('cannot be reached', element);
  for (const element of all(INTERACTIVE).filter(isVisible)) {
    if (element.disabled) continue;
    element.focus({ preventScroll: true });
    if (document.activeElement !== element || element.tabIndex < 0) wrong('cannot be reached', element);
    const style = getComputedStyle(element);
    if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) wrong('focus cannot be seen', element);
  }
  document.activeElement?.blur();
}

// A finger needs room: 24 by 24 pixels, or as much distance from what else can be pressed; links within a sentence are
// as high as its lines (WCAG 2.2, 2.5.8).
const FINGER = 24;
const isSameLayer = (one, other) => one.closest('.bottom-bar') === other.closest('.bottom-bar');
function checkTargets() {
  const targets = all(INTERACTIVE).filter((each) => isVisible(each) && !each.matches('.skip'));
  const boxes = targets.map((each) => each.getBoundingClientRect());
  targets.forEach((element, index) => {
    const box = boxes[index];
    const isInSentence = element.localName === 'a' && element.closest('p, .crumbs');
    if (isInSentence || element.closest('label') || (box.width >= FINGER && box.height >= FINGER)) return;
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const isNear = (other) => Math.hypot(Math.max(other.left - x, 0, x - other.right), Math.max(other.top - y, 0, y - other.bottom)) < FINGER / 2;
    const hasNeighbour = boxes.some((other, at) => at !== index && !targets[at].contains(element) && isSameLayer(targets[at], element) && isNear(other));
    if (hasNeighbour) wrong('too small for a finger', element, `${Math.round(box.width)} by ${Math.round(box.height)}`);
  });
}

for (const part of all('details')) part.open = true;
checkDocument();
checkNames();
checkTexts();
checkWords();
checkFocus();
checkTargets();
return [...problems];
