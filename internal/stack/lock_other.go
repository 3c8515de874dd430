//go:build !unix

package stack

import (
	"errors"
	"fmt"
	"os"
)

func tryLock(*os.File) (bool, error) {
	return false, fmt.Errorf("the local stack needs a Unix system: %w", errors.ErrUnsupported)
}

func unlock(*os.File) error { return nil }
