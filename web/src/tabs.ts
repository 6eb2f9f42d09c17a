/** The tabs of the page, in their order. Each is a module of its own, loaded when it is first opened. */

import type { App } from "./app.js";

export interface Tab {
  /** The part of the address after #. */
  readonly id: string;
  readonly title: string;
  /** `mount` fills the tab's panel, once. */
  load(): Promise<{ mount(panel: HTMLElement, app: App): void | Promise<void> }>;
}

export const tabs: readonly Tab[] = [
  { id: "caption", title: "Caption", load: () => import("./tabs/caption.js") },
  { id: "guidance", title: "Guidance lab", load: () => import("./tabs/guidance.js") },
  { id: "train", title: "Train", load: () => import("./tabs/train.js") },
  { id: "kernels", title: "Kernels", load: () => import("./tabs/kernels.js") },
];
