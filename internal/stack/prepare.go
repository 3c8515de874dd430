package stack

import "context"

// Prepare finds, installs or builds everything that Start needs, and starts nothing.
func Prepare(ctx context.Context, progress func(Progress)) error {
	if _, err := needPostgres(ctx, 0, report("postgres", progress)); err != nil {
		return err
	}
	for _, name := range Servers() {
		if _, err := Build(ctx, name, progress); err != nil {
			return err
		}
	}
	return nil
}
