package authroute

import (
	"context"
	"log/slog"
	"time"
)

// refreshTime bounds one look at the store: it may hang, and be well for the next.
const refreshTime = 2 * time.Second

// follow calls load whenever the bus says that topic may have changed, which is
// every second at the latest. The context of load ends after refreshTime.
func follow(ctx context.Context, bus Subscriber, topic string, load func(context.Context) error) error {
	changes, cancel := bus.Subscribe(topic)
	defer cancel()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
		err := loadInTime(ctx, load)
		if err != nil && !failing && ctx.Err() == nil {
			slog.WarnContext(ctx, "what the store knows was not read again", "topic", topic, "error", err)
		}
		if err == nil && failing {
			slog.InfoContext(ctx, "what the store knows is read again", "topic", topic)
		}
		failing = err != nil
	}
}

func loadInTime(ctx context.Context, load func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	return load(ctx)
}
