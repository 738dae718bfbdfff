package stores

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"bobine/configs"
	"bobine/storage"
	"bobine/storage/backup"
)

// Copies opens the places of second copies, in the order of the settings.
// close is for the end.
func Copies(ctx context.Context, all []configs.Copy, own configs.S3) (places []backup.Place, close func(), err error) {
	var ends []func() error
	end := func() {
		for _, f := range ends {
			_ = f() // of lines on which nothing passes any more
		}
	}
	for _, c := range all {
		s, f, err := Open(ctx, c.To, c.S3(own))
		if err != nil {
			end()
			return nil, nil, fmt.Errorf("open the place of second copies %s: %w", c.To, err)
		}
		ends = append(ends, f)
		places = append(places, backup.Place{Name: c.To, Store: s, Outputs: c.OutputsClass, Source: c.SourceClass})
	}
	return places, end, nil
}

// Own is the place where films are published.
func Own(name string, s storage.Store) backup.Place { return backup.Place{Name: name, Store: s} }

// OwnPlace is the name of the place where a farm of these settings publishes.
func OwnPlace(c configs.Config) string {
	return cmp.Or(c.Storage.Outputs, filepath.Join(c.Data, "store"))
}

// All opens the farm's own place and then those of second copies.
func All(ctx context.Context, c configs.Config) (places []backup.Place, close func(), err error) {
	own, end, err := Open(ctx, OwnPlace(c), c.Storage.S3)
	if err != nil {
		return nil, nil, err
	}
	copies, endCopies, err := Copies(ctx, c.Backup.Copies, c.Storage.S3)
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return append([]backup.Place{Own(OwnPlace(c), own)}, copies...), func() { endCopies(); _ = end() }, nil
}
