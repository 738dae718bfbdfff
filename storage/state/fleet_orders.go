package state

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"bobine/provisioner"
)

var (
	//go:embed fleet_orders.lua
	ordersLua    string
	ordersScript = redis.NewScript(ordersLua)
)

// Orders reads what operators want.
func (m *Machines) Orders(ctx context.Context) (provisioner.Orders, error) {
	cmds, err := m.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HGetAll(ctx, key("fleet", "orders"))
		p.HGetAll(ctx, key("fleet", "unwanted"))
		return nil
	})
	if err != nil {
		return provisioner.Orders{}, fmt.Errorf("read the orders: %w", err)
	}
	return ordersOf(cmds[0].(*redis.MapStringStringCmd).Val(), cmds[1].(*redis.MapStringStringCmd).Val())
}

func ordersOf(row, unwanted map[string]string) (provisioner.Orders, error) {
	var o provisioner.Orders
	read := func(what, text string, to any) error {
		if text == "" {
			return nil
		}
		return wrap("read the orders: "+what, json.Unmarshal([]byte(text), to))
	}
	if err := read("pause", row["pause"], &o.Pause); err != nil {
		return o, err
	}
	if err := read("bounds", row["bounds"], &o.Bounds); err != nil {
		return o, err
	}
	for name, text := range unwanted {
		if o.Machines == nil {
			o.Machines = map[string]*provisioner.MachineOrder{}
		}
		x := new(provisioner.MachineOrder)
		if err := read("machine "+name, text, x); err != nil {
			return o, err
		}
		o.Machines[name] = x
	}
	if v := row["v"]; v != "" {
		var err error
		if o.Version, err = strconv.ParseInt(v, 10, 64); err != nil {
			return o, fmt.Errorf("read the orders: version: %w", err)
		}
	}
	return o, nil
}

// Order reads the orders, lets fn change them, and stores them; when somebody
// else was faster it starts over, so fn may run many times. An error of fn
// ends it, with nothing changed.
func (m *Machines) Order(ctx context.Context, fn func(*provisioner.Orders) error) error {
	for {
		o, err := m.Orders(ctx)
		if err != nil {
			return err
		}
		version := o.Version
		if err := fn(&o); err != nil {
			return err
		}
		args := []any{rand.Text(), opLife.Milliseconds(), version}
		text := func(v any, none bool) error {
			if none {
				args = append(args, "")
				return nil
			}
			b, err := json.Marshal(v)
			args = append(args, b)
			return wrap("write the orders", err)
		}
		if err := text(o.Pause, o.Pause == nil); err != nil {
			return err
		}
		if err := text(o.Bounds, o.Bounds == nil); err != nil {
			return err
		}
		for name, x := range o.Machines {
			if x == nil {
				continue
			}
			args = append(args, name)
			if err := text(x, false); err != nil {
				return err
			}
		}
		done, err := ordersScript.Run(ctx, m.rdb, []string{prefix}, args...).Int()
		if err != nil {
			return fmt.Errorf("write the orders: %w", err)
		}
		if done == 1 {
			return nil
		}
	}
}
