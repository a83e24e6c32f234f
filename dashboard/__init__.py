"""The dashboard: Streamlit pages over the published file. It reads, and writes nothing."""
