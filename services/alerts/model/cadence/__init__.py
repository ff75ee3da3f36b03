"""When a customer buys later than his own rhythm allows (methods.md, Purchase cadence).

`rhythm` keeps a customer's purchases, `decision` says on which day he is overdue, `tell` replays a whole history: that
is all a service needs, one purchase at a time. `histories`, `replay`, `verdict`, `base`, `calibrate` and `walk` do the
same for a whole base at once, to fit `priors` from its past and to try the rule on it.
"""
