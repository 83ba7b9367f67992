// How long tests wait. These limits only end a test that would fail anyway, so they leave room for a busy machine.

/** Milliseconds that a test waits for an event. */
export const patience = 60_000

/** Milliseconds for a command, such as a compiler. */
export const commandTimeout = 300_000

/** Milliseconds for the tests of a file. */
export const suiteTimeout = 900_000
