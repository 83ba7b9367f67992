// Package export walks a connection of calls to its end, and writes a line for each call: NDJSON or CSV.
//
// # Resuming a walk
//
// A walk may be interrupted at any moment: by a signal, by kill -9, by the power, by upstream. Then nothing may be
// lost and nothing come twice, and the next run should go on where this one got to. The gateway's cursors make that
// easy: one cursor says all about where a walk is, for any process and at any later time, however much the list has
// moved. What is left is to keep the cursor and the lines in step, although no file system changes two files at once:
//
//   - Lines are appended to FILE.part. Only after they are on the disk is FILE.state replaced, atomically, by one that
//     has the cursor behind them, and the length and the SHA-256 of FILE.part.
//   - So the state is never ahead of the lines. It may be behind them: whatever FILE.part has beyond the noted length
//     was written after the state, perhaps not even a whole line. Resuming cuts it off, and asks for it again.
//   - At the end FILE.part is renamed to FILE, and FILE.state removed. The state says before that all is written, so a
//     run that finds it so, and no FILE.part, has only to remove it.
//
// FILE therefore is always complete: the former one until the new one takes its place. The state also holds a digest
// of all that decides about the lines, the key among it, so that no walk goes on in the middle of another one's file;
// and lines that have been changed since are not gone on with. Where FILE is a symbolic link, all this is said of the
// file that it leads to. File systems over a network may be unable to sync folders, or to lock: there a walk goes on
// without, and where nobody else is locked out it reads its lines once more before they get their name.
//
// A walk also counts what keeps its lines from being all calls, each once: errors beside the calls, answers that say
// that calls have changed places, and calls that come again (ids.go). The counts are part of the state. A walk that
// has met any of these comes to its end, and that end is an error.
//
// document.go makes a document ready to be walked, compose.go one from the names of columns, and variables.go checks
// what goes with it. walk.go asks for page after page, rows.go turns calls into lines, columns.go finds what is in
// them, and file.go keeps the lines and the state.
package export
