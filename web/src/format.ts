// Numbers and files in words, in one way on all of the page.

const whole = new Intl.NumberFormat("en");

export const number = (value: number) => whole.format(value);

export const percent = (share: number) =>
  Number.isNaN(share) ? "–" : `${(100 * share).toFixed(0)} %`;

/** Formats 1 as "1 image" and 2 as "2 images". */
export const counted = (count: number, noun: string) =>
  `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

export function bytes(count: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return `${unit && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

export const decimal = (value: number) =>
  Number.isNaN(value) ? "–" : String(Number(value.toPrecision(3)));

/** Returns a file's name without its folders. */
export const baseName = (file: string) => file.slice(file.lastIndexOf("/") + 1);
