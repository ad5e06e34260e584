/**
 * platform/tls-files.ts: certificates and key from the files that the tls-* options name, checked before anything listens: what
 * does not fit together is said at start, by option, and not to the first client that comes.
 */
import fs from "node:fs";
import path from "node:path";
import { createSecureContext } from "node:tls";
import { ConfigurationError } from "../lib/errors.js";
import type { TlsOptions } from "../ports/network.js";

/** The options by their names; "" is not given. */
export interface TlsFiles {
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly tlsKeyFilePass: string;
  readonly tlsCaCertFile: string;
  readonly tlsAuthClients: "no" | "yes" | "optional";
  readonly tlsProtocols: readonly string[];
}

/** @throws ConfigurationError (exit code 64). */
export function readTls(files: TlsFiles): TlsOptions {
  const { tlsAuthClients, tlsCaCertFile, tlsKeyFilePass, tlsProtocols } = files;
  // Without a list of its own, TLS would believe every authority that the system believes: any client with any certificate.
  if (tlsAuthClients !== "no" && tlsCaCertFile === "") {
    throw new ConfigurationError(
      `tls-auth-clients ${tlsAuthClients} needs tls-ca-cert-file: whose certificates are good? (tls-auth-clients no: clients need none)`,
    );
  }
  const pem = {
    cert: read("tls-cert-file", files.tlsCertFile),
    key: read("tls-key-file", files.tlsKeyFile),
    ...(tlsKeyFilePass === "" ? {} : { passphrase: tlsKeyFilePass }),
    ...(tlsCaCertFile === "" ? {} : { ca: read("tls-ca-cert-file", tlsCaCertFile) }),
  };
  try {
    createSecureContext(pem);
  } catch (error) {
    throw new ConfigurationError(
      `tls-cert-file, tls-key-file and tls-ca-cert-file cannot be used: ${(error as Error).message}`,
    );
  }
  return {
    ...pem,
    clientCert: tlsAuthClients === "yes" ? "required" : tlsAuthClients,
    minVersion: tlsProtocols.includes("TLSv1.2") ? "TLSv1.2" : "TLSv1.3",
    maxVersion: tlsProtocols.includes("TLSv1.3") ? "TLSv1.3" : "TLSv1.2",
  };
}

function read(option: string, name: string): Buffer {
  try {
    return fs.readFileSync(path.resolve(name));
  } catch (error) {
    throw new ConfigurationError(`${option}: ${(error as Error).message}`);
  }
}
