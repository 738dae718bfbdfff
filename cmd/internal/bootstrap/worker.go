package bootstrap

import (
	"strconv"
	"strings"

	"bobine/configs"
)

// passwordFile is where a machine finds the password of Redis.
const passwordFile = "/etc/bobine/redis.password"

// Worker is the configuration file of a rented machine: what the farm's own
// says of its workers, with no secret and no partner in it.
func Worker(c configs.Config, parameter string) (string, error) {
	w := configs.Default()
	w.Data = "/var/lib/bobine"
	w.Storage.Outputs, w.Storage.S3 = c.Storage.Outputs, c.Storage.S3
	if w.Storage.S3.Region == "" {
		w.Storage.S3.Region = Region(c)
	}
	w.Backup.Copies = c.Backup.Copies
	w.Encode = c.Encode
	w.Encode.Scratch = "" // of this machine
	// By this its worker asks EC2 which machine it is, and whether its end
	// comes. What only the controller needs stays away, lest a change of it
	// change the machines.
	w.Fleet.Provider, w.Fleet.Slots = configs.EC2, c.Fleet.Slots
	w.Fleet.EC2.Farm, w.Fleet.EC2.Types = c.Fleet.EC2.Farm, c.Fleet.EC2.Types
	w.Fleet.EC2.LaunchTemplate = "bobine-" + c.Fleet.EC2.Farm
	w.Sources.AllowHosts = c.Sources.AllowHosts
	w.Lease, w.Log = c.Lease, c.Log
	if parameter != "" {
		w.Redis.PasswordFile = passwordFile
	}
	// Printed settings show no user of a URL. This one is known to bear no
	// password.
	const there = "redis://there.invalid"
	w.Redis.URL = there
	if err := w.Validate(); err != nil {
		return "", err
	}
	return strings.Replace(w.String(), there, strconv.Quote(c.Redis.URL), 1), nil
}
