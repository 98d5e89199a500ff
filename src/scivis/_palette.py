"""Colors of categories in figures that scivis draws itself."""

# Petroff, Accessible color sequences for data visualization (arXiv 2107.02270, 2021): ten colors that remain distinguishable
# with color-blindness. There is no such set with more colors.
TEN_COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
