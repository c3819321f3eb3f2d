"""Periodic and operators' work: what is lost is found again, what nobody needs is removed."""
