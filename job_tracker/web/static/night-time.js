// Time on the clocks of a zone: ticks and texts, from the offsets that come with the data, so that a night on which the
// clocks are changed shows the hour that is left out, or comes twice.

const STEPS = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
const two = (number) => String(number).padStart(2, "0");

export function offsetAt(offsets, moment) {
  let found = offsets[0][1];
  for (const [since, offset] of offsets) if (since <= moment) found = offset;
  return found;
}

function local(offsets, moment) {
  return new Date((moment + offsetAt(offsets, moment)) * 1000);
}

export function timeText(offsets, moment, withSeconds = true) {
  const shown = local(offsets, moment);
  const text = `${two(shown.getUTCHours())}:${two(shown.getUTCMinutes())}`;
  return withSeconds ? `${text}:${two(shown.getUTCSeconds())}` : text;
}

export function dateText(offsets, moment) {
  const shown = local(offsets, moment);
  const day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][shown.getUTCDay()];
  return `${day} ${shown.getUTCFullYear()}-${two(shown.getUTCMonth() + 1)}-${two(shown.getUTCDate())}`;
}

export function whenText(offsets, moment, near) {
  const time = timeText(offsets, moment);
  return dateText(offsets, moment) === dateText(offsets, near) ? time : `${dateText(offsets, moment).slice(0, 3)} ${time}`;
}

export function spanText(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

// [moment, text, whether a day begins there]; in each stretch between two changes of the clocks by its own hours
export function ticks(offsets, from, to, width) {
  const least = ((to - from) / Math.max(1, width)) * 62;
  const step = STEPS.find((each) => each >= least) ?? STEPS.at(-1);
  const found = [];
  offsets.forEach(([since, offset], at) => {
    const begin = at === 0 ? from : Math.max(from, since);
    const end = Math.min(to, offsets[at + 1]?.[0] ?? Infinity);
    for (let hour = Math.ceil((begin + offset) / step) * step; hour - offset < end; hour += step) {
      const moment = hour - offset;
      const isDay = hour % 86400 === 0;
      found.push([moment, isDay ? dateText(offsets, moment).replace(/-?\d{4}-/, "") : timeText(offsets, moment, false), isDay]);
    }
  });
  return found;
}

export function changesOfClocks(offsets, from, to) {
  return offsets.slice(1).map(([since, offset], at) => [since, offset - offsets[at][1]]).filter(([since]) => since > from && since < to);
}
