// Groups of images one below the other: clusters, or duplicates.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { useLines } from "./virtual";

export interface Group {
  id: number;
  content: () => ComponentChildren;
}

/** A list of groups, of which those on the screen are in the page. */
export function Groups(props: {
  groups: Group[];
  label: string;
  height: number;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const { groups, label, height } = props;
  const lines = useLines(scroller, groups.length, height);
  return (
    <div ref={scroller} class="scroller" role="region" aria-label={label}>
      <div class="lines" style={{ height: `${lines.getTotalSize()}px` }}>
        {lines.getVirtualItems().map((line) => (
          <section
            key={groups[line.index].id}
            ref={(element) => lines.measureElement(element)}
            data-index={line.index}
            class="group"
            style={{ transform: `translateY(${line.start}px)` }}
          >
            {groups[line.index].content()}
          </section>
        ))}
      </div>
      {groups.length === 0 && <p class="nothing">No group passes these filters.</p>}
    </div>
  );
}
