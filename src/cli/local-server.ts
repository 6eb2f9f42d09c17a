/** A web server on this machine's own address, closed to other machines and other sites. Node only. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { UserError } from "../platform/errors.js";

/** Of Node's `IncomingMessage`, which it is, what a declaration without Node's types can say. */
export interface LocalRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Of Node's `ServerResponse`, which it is, what a declaration without Node's types can say. */
export interface LocalResponse {
  statusCode: number;
  readonly headersSent: boolean;
  /** Sets a header, before the response ends. */
  setHeader(name: string, value: string | number): unknown;
  /** Sends the content, if any, and ends the response. */
  end(content?: string | Uint8Array): unknown;
  /** Breaks the connection off. */
  destroy(): unknown;
}

/** Answers a request whose host, method and origin have been checked. */
export type Answer = (request: LocalRequest, response: LocalResponse, url: URL) => Promise<void>;

/** A server that answers until it is closed. */
export interface LocalServer {
  /** Its address, with a slash at the end. */
  readonly url: string;
  /** Ends all connections and the server. */
  readonly close: () => Promise<void>;
}

const HEADERS: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  // Other sites may neither use these files nor show these pages in a frame.
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Frame-Options": "SAMEORIGIN",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};

/**
 * Whether a Host header names this machine, on any port (the request may come through a tunnel). Another name points to DNS
 * rebinding: a web site resolves its own name to this machine, to read these files as its own origin.
 */
function isLocal(host: string | undefined): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host ?? "");
}

/** Whether a request comes from a page of this server, or from no page at all. */
function isOwn({ headers }: LocalRequest): boolean {
  return headers.origin === undefined || headers.origin === `http://${headers.host}`;
}

/** Ends a response with a sentence. */
export function refuse(response: LocalResponse, status: number, sentence: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(sentence);
}

/** What a local server allows. */
export interface LocalServerOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly host?: "127.0.0.1" | "localhost";
  /** Methods beside GET and HEAD. */
  readonly methods?: readonly string[];
  /** Headers of all responses beside those that close the server to other sites. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Serves on this machine's own address. Throws a `UserError` if the port cannot be opened. */
export async function serveLocally(
  { port, host = "127.0.0.1", methods = [], headers = {} }: LocalServerOptions,
  answer: Answer,
): Promise<LocalServer> {
  const allowed = ["GET", "HEAD", ...methods];
  const supported = [allowed.slice(0, -1).join(", "), allowed.at(-1)].join(" and ");
  const server = createServer(async (request, response) => {
    for (const [name, value] of Object.entries({ ...HEADERS, ...headers })) response.setHeader(name, value);
    if (!isLocal(request.headers.host))
      return refuse(response, 421, "This server answers only requests to localhost.");
    if (!allowed.includes(request.method!)) {
      response.setHeader("Allow", allowed.join(", "));
      return refuse(response, 405, `This server supports only ${supported}.`);
    }
    if (!isOwn(request)) return refuse(response, 403, "This server answers no requests of other sites.");
    // Not relative to an address: "//name" would be a host.
    const address = `http://localhost${request.url}`;
    if (!request.url?.startsWith("/") || !URL.canParse(address))
      return refuse(response, 400, "This is no address of a page.");
    try {
      await answer(request, response, new URL(address));
    } catch (error) {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, error instanceof Error ? error.message : String(error));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "another program is using it" : error.message;
      reject(new UserError(`Port ${port} cannot be used: ${why}; choose another with --port.`));
    });
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
