/**
 * platform/tls-files.ts: certificates and key from the files that the tls-* options name, checked before anything listens: what
 * does not fit together is said at start, by option, and not to the first client that comes.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { createSecureContext } from "node:tls";
import { ConfigurationError } from "../lib/errors.js";
import type { TlsOptions } from "../ports/network.js";

const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/;

interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly passphrase?: string;
  readonly ca?: Buffer;
}

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
  const pem: Pem = {
    cert: read("tls-cert-file", files.tlsCertFile),
    key: read("tls-key-file", files.tlsKeyFile),
    ...(tlsKeyFilePass === "" ? {} : { passphrase: tlsKeyFilePass }),
    ...(tlsCaCertFile === "" ? {} : { ca: read("tls-ca-cert-file", tlsCaCertFile) }),
  };
  // TLS takes any file for this one, and would then believe nobody.
  if (pem.ca !== undefined && !CERTIFICATE.test(pem.ca.toString("latin1"))) {
    throw new ConfigurationError(`tls-ca-cert-file: ${tlsCaCertFile} holds no certificate in PEM`);
  }
  try {
    createSecureContext(pem);
  } catch (error) {
    throw new ConfigurationError(guilty(files, pem) ?? `tls-cert-file and tls-key-file: ${(error as Error).message}`);
  }
  return {
    ...pem,
    clientCert: tlsAuthClients === "yes" ? "required" : tlsAuthClients,
    minVersion: tlsProtocols.includes("TLSv1.2") ? "TLSv1.2" : "TLSv1.3",
    maxVersion: tlsProtocols.includes("TLSv1.3") ? "TLSv1.3" : "TLSv1.2",
  };
}

/** Which file it is that TLS does not take; undefined: none that this finds. */
function guilty({ tlsCertFile, tlsKeyFile }: TlsFiles, { cert, key, passphrase }: Pem): string | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch {
    return `tls-cert-file: ${tlsCertFile} holds no certificate in PEM`;
  }
  try {
    const secret = createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
    if (certificate.checkPrivateKey(secret)) return undefined;
    return `tls-key-file: ${tlsKeyFile} is not the key of the certificate in ${tlsCertFile}`;
  } catch {
    if (!/ENCRYPTED/.test(key.toString("latin1"))) return `tls-key-file: ${tlsKeyFile} holds no private key in PEM`;
    return passphrase === undefined
      ? `tls-key-file: ${tlsKeyFile} has a password: give it by tls-key-file-pass`
      : `tls-key-file-pass is not the password of ${tlsKeyFile}`;
  }
}

function read(option: string, name: string): Buffer {
  try {
    return fs.readFileSync(path.resolve(name));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`${option}: ${code === "ENOENT" ? `there is no file ${name}` : message}`);
  }
}
