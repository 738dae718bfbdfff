package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"bobine/cmd/internal/settings"
	"bobine/provisioner"
	"bobine/provisioner/imds"
)

// Rented asks EC2 what machine this is, completes the settings by it, and
// tells what is heard of the machine's end, asked for every so often until ctx
// ends. A machine that EC2 does not know joins the farm by itself all the
// same: nobody will end it, and the settings stay as they are.
func Rented(ctx context.Context, s *settings.Worker, every time.Duration, log *slog.Logger) (<-chan provisioner.Notice, error) {
	client := imds.New("")
	i, err := client.Identity(ctx)
	if errors.Is(err, imds.ErrAbsent) {
		log.Warn("this machine is no EC2 instance: the fleet does not count it", "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.Instance, s.Launch, s.Life = string(i.Instance), i.Launch, i.Life
	if i.Slots > 0 {
		s.Slots = i.Slots
	}
	notices := make(chan provisioner.Notice)
	go client.Watch(ctx, i.Instance, every, func(n provisioner.Notice) {
		select {
		case notices <- n:
		case <-ctx.Done():
		}
	}, func(err error) { log.Warn("no notice of an interruption can be heard", "error", err) })
	return notices, nil
}
