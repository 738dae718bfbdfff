package provisioner

// The tags that instances bear, with what a LaunchRequest says: whoever finds
// one knows whose it is and until when, and its worker reads them there.
const (
	TagFarm    = "bobine:farm"       // the farm's name: what does not bear it is not ours
	TagLaunch  = "bobine:launch"     // LaunchRequest.ID
	TagPool    = "bobine:pool"       // Pool.String of the best of those asked for
	TagSlots   = "bobine:slots"      //
	TagExpires = "bobine:expires-at" // RFC 3339, UTC
	TagEpoch   = "bobine:epoch"      //
	TagLife    = "bobine:life"       // time.Duration.String
)
