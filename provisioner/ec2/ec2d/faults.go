package ec2d

import "bobine/provisioner"

// Fail has the next calls of an action answered with an error.
func (s *Server) Fail(action, code string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[action] = &fault{times, code}
}

// Lose has the next calls of an action carried out and their replies lost.
func (s *Server) Lose(action string, times int) { s.Fail(action, "", times) }

// Down takes a zone down, or brings it back: what describes instances there,
// or all of a tag, fails meanwhile.
func (s *Server) Down(zone string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[zone] = down
}

// Make gives a pool room for so many more instances.
func (s *Server) Make(p provisioner.Pool, room int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room[p] = room
}

// Protect keeps an instance from being terminated.
func (s *Server) Protect(id provisioner.InstanceID) {
	s.change(id, func(i *instance) { i.protected = true })
}

// Hang has an instance stay in shutting-down until it is told to skip the
// shutdown of its system.
func (s *Server) Hang(id provisioner.InstanceID) {
	s.change(id, func(i *instance) { i.hangs = true })
}

// Stop stops an instance, as one does that powers itself off where the launch
// template does not say that this ends it.
func (s *Server) Stop(id provisioner.InstanceID) {
	s.change(id, func(i *instance) {
		i.stopped, i.code, i.why = true, "Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
	})
}

// Interrupt takes a spot instance away.
func (s *Server) Interrupt(id provisioner.InstanceID) {
	s.change(id, func(i *instance) { s.end(i, "Server.SpotInstanceTermination", "Spot instance termination") })
}

// PowerOff has an instance power itself off, where the launch template says
// that this ends it.
func (s *Server) PowerOff(id provisioner.InstanceID) {
	s.change(id, func(i *instance) { s.end(i, "Client.InstanceInitiatedShutdown", "Instance initiated shutdown") })
}

// end ends an instance that has not ended.
func (s *Server) end(i *instance, code, why string) {
	if i.ended.IsZero() {
		i.ended, i.code, i.why = s.o.Now(), code, code+": "+why
		s.news = append(s.news, news{s.o.Ends, i.id})
	}
}

// Tag sets a tag of an instance.
func (s *Server) Tag(id provisioner.InstanceID, key, value string) {
	s.change(id, func(i *instance) { i.tags[key] = value })
}

func (s *Server) change(id provisioner.InstanceID, how func(*instance)) {
	s.mu.Lock()
	defer s.open()
	if i := s.find(string(id)); i != nil {
		how(i)
	}
}

// Running are the instances that are paid for, whatever is shown.
func (s *Server) Running() []provisioner.InstanceID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []provisioner.InstanceID
	for _, i := range s.instances {
		if i.ended.IsZero() {
			ids = append(ids, provisioner.InstanceID(i.id))
		}
	}
	return ids
}
