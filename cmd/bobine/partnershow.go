package main

import (
	"fmt"
	"strings"
	"time"

	"bobine/cmd/internal/api"
)

func (a *app) printPartner(p api.Partner, asJSON bool) error {
	if asJSON {
		return printJSON(a.out, p)
	}
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.out, "%s%s\n", colour(a.out, faint, fmt.Sprintf("%-13s", name)), clean(value))
		}
	}
	field("partner", p.Name)
	field("state", partnerState(p))
	field("hook", p.HookURL)
	for _, s := range p.Secrets {
		field("secret", secretLine(s))
	}
	for _, rule := range p.Allow {
		field("allow", rule)
	}
	for _, in := range p.Inbox {
		field("inbox", in)
	}
	field("profile", orFarm(p.Profile))
	field("promise", orFarm(hours(p.Promise)))
	field("share", fmt.Sprintf("weight %.4g, %s tasks at once", p.Weight, anyNumber(p.Ceiling)))
	field("notify", p.NotifyURL)
	field("events", strings.Join(p.NotifyEvents, ", "))
	if p.NotifyDisabled != "" {
		field("disabled", p.NotifyDisabled)
	}
	for _, s := range p.NotifySecrets {
		field("signed with", secretLine(s))
	}
	field("since", clock(p.Created))
	if p.Config {
		field("stands in", "the configuration, and is changed there")
	}
	return nil
}

func partnerState(p api.Partner) string {
	switch {
	case p.Paused:
		return "paused"
	case p.Config:
		return "config"
	}
	return ""
}

// secretLine tells of a secret what may be told.
func secretLine(s api.Secret) string {
	line := "made " + clock(s.Created)
	if s.Expires != nil {
		line += ", valid until " + clock(*s.Expires)
	}
	return line
}

func orFarm(s string) string {
	if s == "" {
		return "the farm's"
	}
	return s
}

func anyNumber(n int) string {
	if n == 0 {
		return "any"
	}
	return fmt.Sprint(n)
}

// hours is 24h instead of 24h0m0s; nothing for 0.
func hours(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	s := time.Duration(seconds * float64(time.Second)).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
