// TanStack's virtualizer as a hook: only what is on the screen is in the page.

import {
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
} from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";
import type { RefObject } from "preact";

type Rows = Virtualizer<HTMLElement, HTMLElement>;

/** Returns a virtualizer of `count` lines of about `height` CSS pixels. */
export function useLines(
  scroller: RefObject<HTMLElement | null>,
  count: number,
  height: number,
): Rows {
  const [, rerender] = useReducer((n: number) => n + 1, 0);
  const options = {
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 3,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => rerender(0),
  };
  const [lines] = useState<Rows>(() => new Virtualizer(options));
  lines.setOptions({ ...lines.options, ...options });
  useLayoutEffect(() => lines._didMount(), []);
  useLayoutEffect(() => lines._willUpdate());
  useLayoutEffect(() => lines.measure(), [height]);
  return lines;
}

/** Returns the width inside an element, in CSS pixels, as it changes. */
export function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) =>
      setWidth(entry.contentRect.width),
    );
    observer.observe(element.current!);
    setWidth(element.current!.clientWidth);
    return () => observer.disconnect();
  }, []);
  return width;
}
