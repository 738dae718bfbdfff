package main

import "bobine/provisioner/sim"

func plotTrial(o simulation, outcomes map[string][]sim.Outcome) error { return nil }
