package stores

import (
	"context"
	"errors"
	"fmt"

	"bobine/configs"
	"bobine/storage"
	"bobine/storage/backup"
)

// Copies opens the places of second copies, in the order of the settings.
// close is for the end.
func Copies(ctx context.Context, all []configs.Copy, own configs.S3) (places []backup.Place, close func() error, err error) {
	var ends []func() error
	end := func() error {
		var errs []error
		for _, f := range ends {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	for _, c := range all {
		s, f, err := Open(ctx, c.To, c.S3(own))
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("open the place of second copies %s: %w", c.To, err), end())
		}
		ends = append(ends, f)
		places = append(places, backup.Place{Name: c.To, Store: s, Outputs: c.OutputsClass, Source: c.SourceClass})
	}
	return places, end, nil
}

// Own is the place where films are published.
func Own(name string, s storage.Store) backup.Place { return backup.Place{Name: name, Store: s} }
