/** Counts what any engine asks of WebGPU, by wrapping the prototypes of Dawn's objects. */

/**
 * @typedef {object} Counts
 * @property {number} dispatches
 * @property {number} submits
 * @property {number} buffers Created.
 * @property {number} bindGroups Created.
 * @property {number} pipelines Created.
 */

/** @type {Record<string, [string, keyof Counts]>} */
const watched = {
  dispatchWorkgroups: ["GPUComputePassEncoder", "dispatches"],
  dispatchWorkgroupsIndirect: ["GPUComputePassEncoder", "dispatches"],
  submit: ["GPUQueue", "submits"],
  createBuffer: ["GPUDevice", "buffers"],
  createBindGroup: ["GPUDevice", "bindGroups"],
  createComputePipeline: ["GPUDevice", "pipelines"],
  createComputePipelineAsync: ["GPUDevice", "pipelines"],
};

/**
 * Counts during `body`. Nothing stays wrapped afterwards, so timing is not touched.
 * @param {() => Promise<void>} body
 * @returns {Promise<Counts>}
 */
export async function countCalls(body) {
  const counts = { dispatches: 0, submits: 0, buffers: 0, bindGroups: 0, pipelines: 0 };
  const restore = Object.entries(watched).map(([method, [type, what]]) => {
    const { prototype } = /** @type {any} */ (globalThis)[type];
    const original = prototype[method];
    prototype[method] = function (/** @type {unknown[]} */ ...parameters) {
      counts[what]++;
      return original.apply(this, parameters);
    };
    return () => {
      prototype[method] = original;
    };
  });
  try {
    await body();
  } finally {
    for (const undo of restore) undo();
  }
  return counts;
}
