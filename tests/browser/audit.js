// Walks over everything that can be seen and reports what somebody could not read, name or hit (WCAG 2.2: 1.1.1, 1.3.1, 1.4.3, 1.4.11,
// 2.5.8, 3.3.2, 4.1.2). Folded parts are opened for it.
() => {
  const folded = [...document.querySelectorAll('details:not([open])')];
  for (const part of folded) part.open = true;
  const complaints = [];
  const name = element => `${element.tagName.toLowerCase()}.${element.className.baseVal ?? element.className} «${(element.textContent || '').trim().slice(0, 40)}»`;
  const visible = element => element.checkVisibility() && element.getClientRects().length > 0 && !element.closest('.vh');
  const channels = colour => {
    const numbers = colour.match(/[\d.]+/g).map(Number);
    return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((channel, place) => channel * top.alpha + below[place] * (1 - top.alpha));
  const ground = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = rgb => {
    const [red, green, blue] = rgb.map(channel => channel / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !visible(element)) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const below = ground(element);
    const ratio = contrast(over(channels(style.color), below), below);
    if (ratio < needed) complaints.push(`${name(element)}: contrast ${ratio.toFixed(2)}`);
    if (size < 12) complaints.push(`${name(element)}: ${size} px`);
  }
  for (const icon of document.querySelectorAll('.ic')) {
    if (!visible(icon)) continue;
    const below = ground(icon.parentElement);
    if (contrast(channels(getComputedStyle(icon).color).rgb, below) < 3) complaints.push(`${name(icon)}: a sign too faint`);
  }
  for (const control of document.querySelectorAll('input, select, textarea, button, summary, a')) {
    if (!visible(control)) continue;
    const box = control.getBoundingClientRect();
    const inline = control.tagName === 'A' && control.closest('p');
    const target = control.closest('label')?.getBoundingClientRect() ?? box;
    if (!inline && (Math.min(box.width, target.width) < 24 || Math.max(box.height, target.height) < 24)) complaints.push(`${name(control)}: too small to hit`);
    if (['INPUT', 'SELECT', 'TEXTAREA'].includes(control.tagName)) {
      if (!control.labels.length || !control.labels[0].textContent.trim()) complaints.push(`${name(control)}: no label`);
      const edge = contrast(channels(getComputedStyle(control).borderTopColor).rgb, ground(control.parentElement));
      if (control.type !== 'checkbox' && edge < 3) complaints.push(`${name(control)}: its edge is too faint`);
    } else if (!control.textContent.trim()) complaints.push(`${name(control)}: no name`);
  }
  let level = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) complaints.push(`${name(heading)}: comes after level ${level}`);
    level = next;
  }
  if (document.querySelectorAll('h1').length !== 1) complaints.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) complaints.push('not one main');
  for (const drawing of document.querySelectorAll('svg')) {
    if (drawing.getAttribute('aria-hidden') !== 'true' && !drawing.getAttribute('aria-label')) complaints.push('a drawing without words');
  }
  for (const list of document.querySelectorAll('ul, ol')) {
    if (getComputedStyle(list).listStyleType === 'none' && list.getAttribute('role') !== 'list') complaints.push('a list that is none to Safari');
  }
  for (const header of document.querySelectorAll('th')) if (!header.scope) complaints.push(`${name(header)}: of what?`);
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  if (new Set(ids).size !== ids.length) complaints.push('an id stands twice');
  for (const part of folded) part.open = false;
  return complaints;
}
