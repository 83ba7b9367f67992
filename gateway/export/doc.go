// Package export walks a connection of calls to its end, and writes a line for each call: NDJSON or CSV.
//
// # Resuming a walk
//
// A walk may be interrupted at any moment: by a signal, kill -9, a power failure, or upstream. Even then, no call may
// be lost, no call may come twice, and the next run must continue where this one ended. The gateway's cursors make
// that easy: a cursor holds the position of a walk for any process and any later time, however much the list has
// moved. The walk only has to keep the cursor and the lines consistent, although no file system changes two files at
// once:
//
//   - Lines are appended to FILE.part. Once they are on the disk, FILE.state is atomically replaced by a state with the
//     cursor after them, and with the length and the SHA-256 of FILE.part.
//   - The walk continues meanwhile. Lines that come until the state is saved are saved together with the next one.
//   - So the state is never ahead of the lines. It may be behind them: everything beyond the recorded length was
//     written after the state, perhaps not even a whole line.
//   - After each page, the walk also writes the state to FILE.recent, and does not wait until that is on the disk.
//     FILE.recent survives the end of the process, but not always that of the machine. So the next run uses it only if
//     the lines up to its length have its SHA-256. The next run truncates the lines after that, and requests them
//     again.
//   - At the end FILE.part is renamed to FILE, and FILE.recent and FILE.state are removed. Before that, the state says
//     that all lines are written. A run that finds such a state, and no FILE.part, only has to remove it.
//
// FILE is therefore always complete: the previous file until the new one replaces it. The state also holds a digest of
// everything that decides the lines, including the key, so no walk continues the file of another query. A walk does
// not resume lines that have been changed since. A new FILE is readable by its owner alone, because calls are personal
// data. A FILE that is replaced keeps its permission bits, and a read-only FILE is rejected. If FILE is a symbolic
// link, all this applies to its target. Some network file systems cannot sync folders or lock files. There, the walk
// continues without that; without a lock, it reads its lines once more before it renames the file.
//
// The lines should be all calls, each once. A walk counts what prevents that: errors beside the calls, responses that
// report reordered calls, and calls that come twice (ids.go). The counts are part of the state. If any of them is not
// 0, the walk still reads the list to its end, and then returns an error.
//
// An update (update.go) brings a complete file up to date. It has no state, and replaces the file as a whole.
//
// document.go prepares a document for a walk, compose.go composes one from the names of columns, and variables.go
// checks its variables. walk.go requests page after page, rows.go turns calls into lines, columns.go finds values in
// calls, and file.go keeps the lines and the state.
package export
