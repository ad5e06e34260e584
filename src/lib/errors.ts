/**
 * lib/errors.ts: the kinds of error that are not a programmer's mistake (those are lib/assert.ts's InvariantError).
 * Each carries the process exit code of architecture's table, so that the outermost layer needs no list of its own.
 */

const EXIT_CONFIGURATION = 64;
const EXIT_CORRUPT_DATA = 65;
export const EXIT_PORT_IN_USE = 69;
const EXIT_DISK = 74;
const EXIT_DIRECTORY_IN_USE = 75;

/** What lies on disk is not what was written. The node does not serve, and truncates nothing. */
export class CorruptionError extends Error {
  readonly exitCode: number = EXIT_CORRUPT_DATA;
  readonly file: string;
  readonly offsetBytes: number;

  constructor(file: string, offsetBytes: number, what: string) {
    super(`corrupt data: ${file} at byte ${offsetBytes}: ${what}`);
    this.name = "CorruptionError";
    this.file = file;
    this.offsetBytes = offsetBytes;
  }
}

/** A file written by a newer version of kvorum. */
export class FormatError extends Error {
  readonly exitCode: number = EXIT_CORRUPT_DATA;

  constructor(file: string, version: number, known: number) {
    super(
      `${file} has format version ${version}; this version of kvorum knows up to ${known}. Start it with the newer kvorum that wrote it.`,
    );
    this.name = "FormatError";
  }
}

/** A record of a kind that only a newer version of kvorum writes. To leave it out would be to lose what it says. */
export class RecordTypeError extends Error {
  readonly exitCode: number = EXIT_CORRUPT_DATA;

  constructor(type: number, lsn: number) {
    const where = lsn > 0 ? `at LSN ${lsn}` : "in a snapshot";
    super(
      `there is a record of type ${type} ${where}, which this version of kvorum does not know here. Start it with the newer kvorum that wrote it.`,
    );
    this.name = "RecordTypeError";
  }
}

/** A disk refused to do what durability needs. Latched: nothing is acknowledged after it. */
export class DiskError extends Error {
  readonly exitCode: number = EXIT_DISK;

  constructor(what: string, cause: unknown) {
    super(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "DiskError";
  }
}

/** What the system says (EACCES, EISDIR, EIO) as a DiskError; any other error as it is: it has its own code, or is a fault of the program. */
export function asDiskError(what: string, error: unknown): Error {
  const { code } = error as NodeJS.ErrnoException;
  return /^E[A-Z0-9]+$/.test(String(code)) ? new DiskError(what, error) : (error as Error);
}

/** An option that this data directory cannot have. */
export class DirectoryOptionError extends Error {
  readonly exitCode: number = EXIT_CONFIGURATION;

  constructor(option: string, wanted: number, fixed: number) {
    super(`${option} was fixed at ${fixed} when the data directory was made; it cannot be ${wanted}`);
    this.name = "DirectoryOptionError";
  }
}

/** What the options name does not do: a certificate that cannot be read, say. config/ finds what it can tell by itself. */
export class ConfigurationError extends Error {
  readonly exitCode: number = EXIT_CONFIGURATION;

  constructor(what: string) {
    super(what);
    this.name = "ConfigurationError";
  }
}

/** Another process serves the data directory. */
export class DirectoryInUseError extends Error {
  readonly exitCode: number = EXIT_DIRECTORY_IN_USE;

  constructor(directory: string, holder: string) {
    super(`the data directory ${directory} is in use by ${holder}`);
    this.name = "DirectoryInUseError";
  }
}
