/** The kernels that a lost device was working on: which pipelines were submitted and are not known to have ended. */

interface Submitted {
  readonly number: number;
  readonly kernels: ReadonlySet<string>;
}

export interface Submissions {
  /** Labels of the pipelines that may still run, in no order. */
  unfinished(): string[];
  /** Ends the watching. */
  restore(): void;
}

/** How the engine labels what it makes. */
const ours = /^mcd /;

/**
 * Watches all devices of this runtime by wrapping WebGPU's own methods, which must exist already. `onSubmit` is called with the
 * kernels of a submission if they are others than those of the one before.
 */
export function watchSubmissions(onSubmit: (kernels: readonly string[]) => void): Submissions {
  let recorded = new Set<string>();
  let count = 0;
  let open: Submitted[] = [];
  let last = "";
  const finishedUpTo = (number: number) => {
    open = open.filter((submitted) => submitted.number > number);
  };
  const pass = GPUComputePassEncoder.prototype;
  const queue = GPUQueue.prototype;
  const buffer = GPUBuffer.prototype;
  const { setPipeline } = pass;
  const { submit, onSubmittedWorkDone } = queue;
  const { mapAsync } = buffer;
  pass.setPipeline = function (pipeline) {
    if (ours.test(pipeline.label)) recorded.add(pipeline.label.replace(ours, ""));
    return setPipeline.call(this, pipeline);
  };
  queue.submit = function (buffers) {
    if (recorded.size > 0) {
      open.push({ number: ++count, kernels: recorded });
      const kernels = [...recorded];
      recorded = new Set();
      const text = kernels.join();
      if (text !== last) onSubmit(kernels);
      last = text;
    }
    return submit.call(this, buffers);
  };
  /** Both waits end once everything that was submitted before is done. */
  const watched = async <T>(number: number, wait: Promise<T>): Promise<T> => {
    const result = await wait;
    finishedUpTo(number);
    return result;
  };
  queue.onSubmittedWorkDone = function () {
    return watched(count, onSubmittedWorkDone.call(this));
  };
  buffer.mapAsync = function (...rest) {
    return watched(count, mapAsync.apply(this, rest));
  };
  return {
    unfinished: () => [...new Set(open.flatMap(({ kernels }) => [...kernels]))],
    restore() {
      Object.assign(pass, { setPipeline });
      Object.assign(queue, { submit, onSubmittedWorkDone });
      Object.assign(buffer, { mapAsync });
    },
  };
}
