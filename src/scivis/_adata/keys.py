"""Keys of everything that is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# The file system limits names to 255 bytes, and zarr makes names of keys and what is added to them.
_MAX_LENGTH = 200
_DERIVED = (
    "novelty",
    "pvalue",
    "verdict",
    "label",
    "certainty",
    "scores",
    "proba",
    "drift",
    "importance",
    "misfit",
    "moved",
    "opened",
    "uncertainty",
    "expected",
    "covariance",
    "ellipse",
    "radius",
    "leaving",
    "stretch",
    "sample",
)


@dataclass(frozen=True)
class Keys:
    """Keys of the results of one method, by scanpy's convention for `key_added`.

    Examples
    --------
    >>> Keys.of("ivis", None)
    Keys(obsm='X_ivis', uns='ivis', latent='X_ivis_latent', novelty='ivis_novelty', pvalue='ivis_pvalue',
         verdict='ivis_verdict', label='ivis_label', certainty='ivis_certainty', scores='ivis_scores',
         proba='ivis_proba', drift='ivis_drift', importance='ivis_importance', misfit='ivis_misfit',
         moved='ivis_moved', opened='ivis_opened',
         uncertainty='ivis_uncertainty', expected='ivis_expected', covariance='ivis_covariance', ellipse='ivis_ellipse',
         radius='ivis_radius', leaving='ivis_leaving', stretch='ivis_stretch', sample='ivis_sample')
    >>> Keys.of("ivis", "mine").obsm
    'mine'
    """

    obsm: str
    uns: str
    latent: str
    novelty: str
    pvalue: str
    verdict: str
    label: str
    certainty: str
    scores: str
    proba: str
    drift: str
    importance: str
    misfit: str
    moved: str
    opened: str
    uncertainty: str
    expected: str
    covariance: str
    ellipse: str
    radius: str
    leaving: str
    stretch: str
    sample: str

    @classmethod
    def of(cls, method: str, key_added: str | None, *, reads: Collection[str] = ()) -> Keys:
        """Keys of a method, or those that follow from the key of the user, which must not be one of those it reads."""
        key = method if key_added is None else key_added
        check_key(key)
        obsm = f"X_{method}" if key == method else key
        if {key, obsm} & set(reads):
            msg = f"key_added={key!r} is the key of what is read here, which the result would replace. Choose another key."
            raise ValueError(msg)
        derived = {name: f"{key}_{name}" for name in _DERIVED}
        return cls(obsm=obsm, uns=key, latent=f"{obsm}_latent", **derived)

    def on_map(self, basis: str) -> Keys:
        """The same keys with coordinates under the key of a map that another method computed."""
        check_key(basis)
        return replace(self, obsm=basis)


def check_key(key: str) -> None:
    """Raise for a key that files cannot store."""
    if not isinstance(key, str) or not key.strip() or key in (".", "..") or "\0" in key:
        msg = f"key_added={key!r} must be a text with visible characters, and neither '.' nor '..': files store it as a name."
        raise ValueError(msg)
    if (length := len(key.encode())) > _MAX_LENGTH:
        msg = f"key_added={key[:20] + '…'!r} has {length} bytes, but files store at most {_MAX_LENGTH}. Choose a shorter key."
        raise ValueError(msg)
    if "/" in key:
        msg = f"key_added={key!r} contains a '/', which neither h5ad nor zarr can store."
        raise ValueError(msg)


def ingest_call(key: str) -> str:
    """The call that places new cells by the model under a key, for messages.

    Examples
    --------
    >>> ingest_call("tsne")
    "scivis.tl.ingest(adata_new, adata_ref, key='tsne')"
    """
    return f"scivis.tl.ingest(adata_new, adata_ref{'' if key == 'ivis' else f', key={key!r}'})"
