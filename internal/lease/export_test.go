package lease

import "time"

// Quick makes the keeper live faster than normal by a factor.
func (k *Keeper) Quick(factor time.Duration) *Keeper {
	k.pace = pace{beat: normal.beat / factor, poll: normal.poll / factor, patience: normal.patience / factor, giveUp: normal.giveUp / factor}
	return k
}
