package main

import (
	"context"
	"errors"
	"fmt"
)

const oursName = "ours"

// inTurn measures the postrider of the working tree, or the one that was named, and then the one to compare with, if
// any, for the requested number of rounds.
func (b *bench) inTurn(ctx context.Context, once func(name, binary string) error) error {
	ours, err := b.binaryOrBuild(ctx)
	if err != nil {
		return err
	}
	names := map[string]string{oursName: ours, againstName: b.against}
	var failures error
	for n := range b.rounds {
		for _, name := range []string{oursName, againstName} {
			if names[name] == "" {
				continue
			}
			fmt.Fprintf(b.out, "\nround %d, %s\n", n+1, name)
			if err := once(name, names[name]); err != nil {
				failures = errors.Join(failures, fmt.Errorf("round %d of %s: %w", n+1, name, err))
			}
		}
	}
	return failures
}
