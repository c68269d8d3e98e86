"""What goes wrong on demand in an embedded broker: faults as values, the rules that count them, who carries them out.

`fault`, `rules`, `targets`, `places` and `answers` are pure and know a request by its schema alone; `handlers`, `disk`,
`refusing_server`, `leader_epochs` and `crash` carry a fault out; `control` is what people use as `broker.faults`.
Nothing of this is imported by `ottla serve`.
"""
