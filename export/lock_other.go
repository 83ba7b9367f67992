//go:build !unix

package export

import "os"

// lock does nothing where files are locked otherwise: there it is up to who starts them not to start two.
func lock(*os.File) error { return nil }
