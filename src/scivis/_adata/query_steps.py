"""The steps from the units of a query to those of the reference, or the sentence that says why there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scivis.data._conversion import Conversion, UnitsError, convert_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scivis.data._scaling import Scaling
    from scivis.data._units import Units

    from .preparation import Preparation

NO_PREPARATION = "Or pass prepare='none' to place the values as they are."


def steps_to_reference(
    undone: Scaling | None, units: Units, made: Preparation, found: NDArray[Any], positions: NDArray[Any]
) -> Conversion:
    """The steps from the units of a query that was not scaled as the reference to the units of the reference.

    Parameters
    ----------
    undone, units
        Scaling of all genes of the query, and its units before that.
    made
        How the reference was prepared.
    found, positions
        Genes of the model that the query has: their indices in the model and in the query.

    Raises
    ------
    UnitsError
        If there are no such steps.
    """
    if reason := _why_not(undone, units, made):
        msg = f"{reason} {NO_PREPARATION}"
        raise UnitsError(msg)
    convert = convert_units(units, made.units)
    return replace(
        convert,
        undone=None if undone is None else undone.of_genes(positions),
        scaling=None if made.scaling is None else made.scaling.of_genes(found),
    )


def _why_not(undone: Scaling | None, units: Units, made: Preparation) -> str:
    """Why no steps lead from the query to the reference, and what to do; empty if some do."""
    if made.units.kind == "signed":
        return (
            "The reference holds negative values that do not follow from other expression by a known scaling "
            "(`sc.pp.scale` leaves it in adata_ref.var['mean'] and adata_ref.var['std']), and adata_new holds "
            f"{'others' if units.kind == 'signed' else units}. Prepare adata_new with the numbers of the reference."
        )
    if units.kind == "signed":
        return (
            "adata_new holds negative values. It was scaled, but not with the means and deviations of the reference, and "
            "its own are not in adata_new.var['mean'] and adata_new.var['std']. Pass its expression before scaling "
            "(`layer=...`, or `adata_new.raw.to_adata()`)."
        )
    if units.kind == "counts" != made.units.kind and undone is not None:
        return "adata_new holds scaled counts. Pass its counts before scaling (`layer=...`)."
    if units.kind == "counts" != made.units.kind and not made.units.total:
        log = " and `sc.pp.log1p`" if made.units.log_base else ""
        return (
            f"adata_new holds {units}, and the reference {made.units}; it does not say to which total. Prepare adata_new in "
            f"the same way, for instance by `sc.pp.normalize_total(adata_new, target_sum=...)`{log}."
        )
    if made.units.kind == "counts" and units.kind == "normalized":
        return f"adata_new holds {units}, but the reference {made.units}. Pass the counts of adata_new (`layer=...`)."
    return ""
