package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"bobine/cmd/internal/controller"
	"bobine/cmd/internal/stores"
	"bobine/configs"
	"bobine/provisioner/ec2"
	"bobine/storage"
	ledgers "bobine/storage/state"
)

// askBootstrap is what to do where a check of EC2 tells only what is wrong.
const askBootstrap = "`bobine fleet bootstrap --apply` makes all of it: see docs/ec2.md"

// examineFleet looks at what rented machines need.
func examineFleet(ctx context.Context, c configs.Config) []finding {
	if c.Fleet.Provider != configs.EC2 {
		return nil
	}
	p, err := ec2.New(ctx, controller.EC2(c))
	if err != nil {
		return []finding{{"ec2", missing, err.Error(), askBootstrap}}
	}
	var all []finding
	for _, x := range p.Check(ctx) {
		f := finding{"ec2: " + x.Name, sound, x.Text, ""}
		if !x.OK {
			f.State, f.Do = missing, askBootstrap
		}
		all = append(all, f)
	}
	return all
}

// examineBuckets tries every bucket as the farm uses it.
func examineBuckets(ctx context.Context, c configs.Config) []finding {
	places := []struct {
		place string
		s3    configs.S3
	}{{c.Storage.Outputs, c.Storage.S3}}
	for _, x := range c.Backup.Copies {
		places = append(places, struct {
			place string
			s3    configs.S3
		}{x.To, x.S3(c.Storage.S3)})
	}
	var all []finding
	for n, p := range places {
		if _, _, bucket := configs.Bucket(p.place); !bucket {
			continue
		}
		name := "bucket of outputs"
		if n > 0 {
			name = fmt.Sprintf("bucket of copy %d", n)
		}
		all = append(all, examineBucket(ctx, name, p.place, p.s3)...)
	}
	return all
}

func examineBucket(ctx context.Context, name, place string, o configs.S3) []finding {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	store, end, err := stores.Open(ctx, place, o)
	if err != nil {
		return []finding{{name, missing, place, err.Error()}}
	}
	defer func() { _ = end() }()
	theirs, err := probe(ctx, store)
	if err != nil {
		return []finding{{name, missing, place, err.Error()}}
	}
	all := []finding{{name, sound, place + ": it may write, read and delete there", ""}}
	if off := time.Since(theirs).Abs(); off > ledgers.MaxSkew {
		all = append(all, finding{"clock of " + name, weak, fmt.Sprintf("the clock here and that of the bucket are %s apart", off.Round(time.Second)), "let chrony or ntpd set this one: at 15 min S3 refuses every call"})
	}
	return all
}

// probe puts a small object, reads it and deletes it, and returns the time at
// which the store says that it came.
func probe(ctx context.Context, store storage.Store) (time.Time, error) {
	at, body := storage.Join("doctor", rand.Text()), []byte("whether the farm may write here\n")
	if _, err := store.Put(ctx, at, bytes.NewReader(body), storage.PutOptions{IfAbsent: true}); err != nil {
		return time.Time{}, fmt.Errorf("allow this role to write there (s3:PutObject): %w", err)
	}
	seen, err := store.Stat(ctx, at)
	if err == nil {
		err = same(ctx, store, at, body)
	}
	if err != nil {
		err = fmt.Errorf("allow this role to read there (s3:GetObject): %w", err)
	}
	if derr := store.Delete(ctx, at); derr != nil {
		err = errors.Join(err, fmt.Errorf("allow this role to delete there (s3:DeleteObject), and take %s away: %w", at, derr))
	}
	return seen.Modified, err
}

func same(ctx context.Context, store storage.Store, at storage.Ref, want []byte) error {
	r, err := store.Open(ctx, at, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s came back otherwise than it was written", at)
	}
	return err
}
