/**
 * Events of TensorBoard (TensorFlow, core/util/event.proto and core/framework/summary.proto):
 *
 *     Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *     Summary { repeated Value value = 1; }
 *     Value   { string tag = 1; float simple_value = 2; Image image = 4; }
 *     Image   { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
 */

import { Message } from "./protobuf.js";
import { tfRecord } from "./records.js";

/** When and at which step something was measured. `time` is in seconds since 1970. */
export interface EventTime {
  readonly time: number;
  readonly step: number;
}

/** A PNG and its size. */
export interface EventImage {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** The first record of a file. */
export function versionRecord(time: number): Uint8Array {
  return tfRecord(new Message().double(1, time).part(3, "brain.Event:2").encode());
}

/** A record of numbers by tag. NaN and infinite numbers are written as they are: TensorBoard marks them. */
export function scalarRecord(
  { time, step }: EventTime,
  values: Readonly<Record<string, number>>,
): Uint8Array {
  const summary = new Message();
  for (const [tag, value] of Object.entries(values))
    summary.part(1, new Message().part(1, tag).float(2, value));
  return eventRecord(time, step, summary);
}

/** A record of a picture. */
export function imageRecord({ time, step }: EventTime, tag: string, image: EventImage): Uint8Array {
  const rgb = 3;
  const { width, height, png } = image;
  const encoded = new Message().int(1, height).int(2, width).int(3, rgb).part(4, png);
  return eventRecord(time, step, new Message().part(1, new Message().part(1, tag).part(4, encoded)));
}

function eventRecord(time: number, step: number, summary: Message): Uint8Array {
  return tfRecord(new Message().double(1, time).int(2, step).part(5, summary).encode());
}
