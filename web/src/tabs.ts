/** The tabs of the page, in order. Each is a separate module, loaded when it is first opened. */

import type { App } from "./app.js";

export interface Tab {
  /** The part of the URL after #. */
  readonly id: string;
  readonly title: string;
  /** Loads the module; its `mount` fills the tab's panel, once. */
  load(): Promise<{ mount(panel: HTMLElement, app: App): void | Promise<void> }>;
}

export const tabs: readonly Tab[] = [
  { id: "caption", title: "Caption", load: () => import("./tabs/caption.js") },
  { id: "guidance", title: "Guidance lab", load: () => import("./tabs/guidance.js") },
  { id: "train", title: "Train", load: () => import("./tabs/train.js") },
  { id: "kernels", title: "Kernels", load: () => import("./tabs/kernels.js") },
  { id: "scenes", title: "Scenes", load: () => import("./tabs/scenes.js") },
];
